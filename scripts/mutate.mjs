/**
 * Mutation testing: changes the product's code in one place at a time, in a copy, and checks whether a test of the packages
 * notices. Run by hand, not in CI; see CONTRIBUTING.md.
 *
 *   npm run mutate -- [--sample 500] [--seed S] [--package placement] [--files dispatch/] [--concurrency 2]
 *   npm run mutate -- --seed S --again      only what survived in the last run with this seed, after tests were written
 *
 * Ends with code 1 if fewer than --min percent (85) of the mutants were noticed.
 */
import { randomUUID } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from './lib/shell.mjs';
import { dryRun } from './mutation/dry-run.mjs';
import { instrument, PACKAGES, sampleOf } from './mutation/instrument.mjs';
import { isNoticed, lineOf, renderReport, scores, survivorsIn } from './mutation/report.mjs';
import { prepareSandbox, WORK } from './mutation/sandbox.mjs';
import { relevanceAmong, tryMutant } from './mutation/test-runs.mjs';

const { values: options } = parseArgs({
  options: {
    sample: { type: 'string', default: '500' },
    seed: { type: 'string', default: randomUUID().slice(0, 8) },
    package: { type: 'string', multiple: true, default: PACKAGES },
    files: { type: 'string', multiple: true, default: [''] },
    'without-files': { type: 'string', multiple: true, default: [] },
    concurrency: { type: 'string', default: '2' },
    min: { type: 'string', default: '85' },
    again: { type: 'boolean', default: false },
  },
});
const { seed } = options;
// `exit` kills the tests that are running.
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    console.log(`ended by ${signal}; the same command with --seed ${seed} continues from here`);
    process.exit(1);
  });
}
const concurrency = Number(options.concurrency);

const { files, mutants } = await instrument();
const chosen = mutants.filter(
  (mutant) =>
    options.package.includes(mutant.package) &&
    options.files.some((part) => mutant.place.includes(part)) &&
    !options['without-files'].some((part) => mutant.place.includes(part)),
);
const reportFile = path.join(WORK, `report-${seed}.md`);
const wasSurvivor = options.again ? survivorsIn(readFileSync(reportFile, 'utf8')) : () => true;
const sample = sampleOf(chosen, seed, Number(options.sample)).filter(wasSurvivor);
console.log(`seed ${seed}: ${sample.length} of ${chosen.length} mutants (${mutants.length} in all)`);
const fingerprints = await prepareSandbox(files);
const testFiles = await dryRun(concurrency, fingerprints);
const relevance = relevanceAmong(mutants);

// Results of an earlier run with this seed and these sources, which may have been cut short.
const resultsFile = path.join(WORK, `results-${seed}-${fingerprints.all.slice(0, 12)}.jsonl`);
/** @type {import('./mutation/report.mjs').Result[]} */
const known = existsSync(resultsFile)
  ? readFileSync(resultsFile, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  : [];
const knownByKey = new Map(known.map((result) => [result.mutant.key, result]));
const results = sample.flatMap(({ key }) => knownByKey.get(key) ?? []);
const waiting = sample.filter(({ key }) => !knownByKey.has(key));
const started = Date.now();
await Promise.all(Array.from({ length: concurrency }, work));
report();

async function work() {
  for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
    const result = { mutant, ...(await tryMutant(mutant, testFiles, relevance)) };
    results.push(result);
    appendFileSync(resultsFile, `${JSON.stringify(result)}\n`);
    if (!isNoticed(result)) console.log(lineOf(result));
    if (results.length % 25 === 0) {
      console.log(`  … ${results.length} of ${sample.length} after ${Math.round((Date.now() - started) / 1000)} s`);
      save();
    }
  }
}

function report() {
  console.table(scores(results));
  console.log(`seed ${seed}; report: ${path.relative(ROOT, save())}`);
  const noticed = results.filter(isNoticed).length;
  if (100 * noticed < Number(options.min) * results.length) process.exitCode = 1;
}

function save() {
  const file = options.again ? reportFile.replace(/md$/, 'again.md') : reportFile;
  const command = ['npm run mutate --', ...process.argv.slice(2)].join(' ');
  writeFileSync(file, renderReport({ command, seed, total: chosen.length, results }));
  return file;
}
