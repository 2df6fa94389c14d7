// needs: nothing
import type { ChaosReport } from './chaos.js';
import { judge } from './judge.js';
import { holds, renderReports } from './report.js';

const report: ChaosReport = {
  store: 'sqlite',
  seed: 7,
  seconds: 1,
  wanted: 0,
  verdict: judge({ accepted: [], records: new Map(), runs: [] }),
  faults: [],
  refusals: new Map(),
  broken: 0,
  repeated: 0,
  leftovers: [],
  logs: [],
};
const lost = { ...report.verdict, violations: [{ callId: 'c', what: 'lost: accepted, and not known any more' }] };

it('a run holds if all that was wanted was accepted, kept, and taken away again', () => {
  expect(holds(report)).toBe(true);
});

it.each<[string, Partial<ChaosReport>, RegExp]>([
  ['lost a call', { verdict: lost }, /^sqlite: c lost: accepted, and not known any more$/m],
  ['left a container', { leftovers: ['container 12'] }, /^sqlite: left over: container 12$/m],
  ['ran out of time', { wanted: 10_000 }, /^sqlite: out of time: only 0 of 10000 calls were accepted$/m],
])('a run that %s does not hold, and says so', (_, what, says) => {
  expect(holds({ ...report, ...what })).toBe(false);
  expect(renderReports([{ ...report, ...what }])).toMatch(says);
});
