/**
 * Kills the processes of a fleet again and again, and looks whether it keeps what it has promised.
 *
 *   npm run chaos -- async [--store sqlite|postgres|nats|all] [--calls 10000] [--minutes 60] [--seed <number>] [--short] [--plant loss|duplicate]
 *     [--logs <folder>]
 *
 * Prints figures, and ends with code 1 unless everything held. --plant makes faults of its own in the queue while the API
 * node is down: they must be noticed.
 */
import { parseArgs } from 'node:util';
import { chaos } from './chaos.js';
import { FULL_FORM, SHORT_FORM } from './plan.js';
import { holds, renderReports } from './report.js';
import { STORES } from './stores.js';

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      store: { type: 'string', default: 'sqlite' },
      calls: { type: 'string' },
      seed: { type: 'string' },
      minutes: { type: 'string' },
      short: { type: 'boolean', default: false },
      plant: { type: 'string' },
      logs: { type: 'string' },
    },
  });
  if (positionals.join() !== 'async') throw new Error('what is to be in chaos? known: async');
  const { plant } = values;
  if (plant !== undefined && plant !== 'loss' && plant !== 'duplicate') throw new Error('--plant: loss or duplicate');
  const form = values.short ? SHORT_FORM : FULL_FORM;
  const options = {
    ...form,
    calls: wholeNumber('calls', values.calls, form.calls),
    minutes: wholeNumber('minutes', values.minutes, form.minutes),
    seed: wholeNumber('seed', values.seed, 1 + Math.floor(Math.random() * 1_000_000)),
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
  const stores = values.store === 'all' ? [...STORES.keys()] : values.store.split(',');
  const reports = [];
  for (const store of stores) {
    say(`${store}, seed ${options.seed}`);
    reports.push(await chaos(store, options, { say, signal: stopping.signal, plant, logs: values.logs }));
  }
  console.log(renderReports(reports));
  process.exitCode = reports.every(holds) ? 0 : 1;
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
