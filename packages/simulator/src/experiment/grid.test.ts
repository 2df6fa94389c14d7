// takes: 5 s

import { htmlReport } from '../report/html-report.js';
import { textReport } from '../report/text-report.js';
import { strategies } from '../strategies/index.js';
import { workloads } from '../workloads/index.js';
import { type GridPlan, runGrid } from './grid.js';
import { scenarios } from './scenario.js';

const plan: GridPlan = {
  fleet: { memoryMb: 4096, keepAliveMs: 30_000, rttMs: 0.5, balancers: 1 },
  runners: [4, 8],
  loads: [0.5, 0.8],
  seeds: [1, 2],
  strategies: [strategies.get('naive'), strategies.get('ch'), strategies.get('hiku')],
  scenario: scenarios.get('steady'),
  source: { kind: 'workload', factory: workloads.get('uniform'), calls: 1000, swing: 0 },
  placerTimeoutMs: 10_000,
  warmUp: 0.3,
};

it('the same plan gives an identical report, with a row for each strategy at each point', async () => {
  const report = await runGrid(plan);
  const text = textReport(report);
  expect(textReport(await runGrid(plan))).toBe(text);
  expect(report.cells).toHaveLength(2 * 2 * 3);
  expect(report.cells.every(({ runs, mean }) => runs.length === 2 && mean.calls === 1400)).toBe(true);
  expect(text).toContain('Workload uniform, scenario steady, 1 balancer');
});

it('a hash moves about one function per runner count, random placement moves most', async () => {
  const { moves } = await runGrid({ ...plan, runners: [20], loads: [0.5], seeds: [1] });
  const of = (name: string) => moves.find(({ placer }) => placer === name);
  expect(of('ch')?.onLeave).toBeLessThan(0.1);
  expect(of('ch')?.onJoin).toBeLessThan(0.1);
  expect(of('naive')?.onJoin).toBeGreaterThan(0.2);
});

it('the page is self-contained, and names every strategy', async () => {
  const page = htmlReport(await runGrid({ ...plan, runners: [4] }));
  expect(page).not.toMatch(/https?:|<script|<link|@import|url\(/);
  for (const { name } of plan.strategies) expect(page).toContain(`</svg>${name}</li>`);
  expect(page.match(/<svg viewBox="0 0 360/g)).toHaveLength(4);
  expect(page).not.toContain('NaN');
});
