// takes: 35 s
import { chaos } from './chaos.js';
import { SHORT_FORM } from './plan.js';
import { holds, renderReports } from './report.js';

/** Generous: on a machine that is busy with other tests processes start slowly. */
const LIMIT_MS = 240_000;

jest.setTimeout(LIMIT_MS + 60_000);

it('no accepted call is lost or runs twice without reason while API node, balancer and runner are killed', async () => {
  const report = await chaos('sqlite', SHORT_FORM, { say: () => undefined, signal: AbortSignal.timeout(LIMIT_MS) });
  process.stdout.write(renderReports([report]));
  expect(holds(report)).toBe(true);
});
