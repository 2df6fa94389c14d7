/**
 * Many calls of all kinds, and what is left of them.
 *
 *   npm run soak [-- --short] [--seed 1] [--calls 20000] [--functions 60]
 *
 * Prints figures, and ends with code 1 unless everything held.
 */
import { parseArgs } from 'node:util';
import { FULL_FORM, SHORT_FORM } from './forms.js';
import { renderReport } from './report.js';
import { soak } from './soak.js';

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      short: { type: 'boolean', default: false },
      seed: { type: 'string' },
      calls: { type: 'string' },
      functions: { type: 'string' },
    },
  });
  const form = values.short ? SHORT_FORM : FULL_FORM;
  const options = {
    ...form,
    seed: wholeNumber('seed', values.seed, form.seed),
    calls: wholeNumber('calls', values.calls, form.calls),
    functions: wholeNumber('functions', values.functions, form.functions),
  };
  const startedAt = performance.now();
  const say = (line: string) => {
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
    console.error(`• ${seconds.padStart(5)} s  ${line}`);
  };
  const stopping = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => stopping.abort(new Error(`stopped by ${name}; nothing is left`)));
  }
  const report = await soak(options, say, stopping.signal);
  console.log(renderReport(options, report));
  process.exitCode = report.checks.every(({ holds }) => holds) ? 0 : 1;
}

function wholeNumber(name: string, text: string | undefined, preset: number): number {
  if (text === undefined) return preset;
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new Error(`--${name}: expected a whole number above 0, got ${JSON.stringify(text)}`);
}

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
