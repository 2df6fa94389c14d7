// takes: 39 s
import { SHORT_FORM } from './forms.js';
import { renderReport } from './report.js';
import { soak } from './soak.js';

/** Generous: on a machine that is busy with other tests containers start slowly. */
const LIMIT_MS = 400_000;

jest.setTimeout(LIMIT_MS + 100_000);

it('agent-and-docker 88, 92: after calls of all kinds each was answered rightly, and nothing is left', async () => {
  const report = await soak(SHORT_FORM, () => undefined, AbortSignal.timeout(LIMIT_MS));
  const failed = report.checks.filter(({ holds }) => !holds);
  if (failed.length > 0) throw new Error(renderReport(SHORT_FORM, report));
  expect(report.tally.calls).toBe(SHORT_FORM.calls);
});
