import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { jest } from './jest.mjs';
import { SANDBOX, WORK } from './sandbox.mjs';

/**
 * @typedef {object} CoveredTest a test file that passes without a mutant
 * @property {string} file compiled, in the sandbox
 * @property {number} durationMs
 * @property {ReadonlySet<string>} reached the ids of the mutants that it reaches
 *
 * @typedef {{ file: string, durationMs: number, failed: boolean }} DryResult a line of DURATIONS; `reporter.cjs` writes them
 */

/** A line for each test file that has run. */
const DURATIONS = 'durations.jsonl';

/**
 * Runs every test of the packages once without a mutant. Results of an earlier run, even of one that was cut short, are reused as
 * long as neither the test nor the code under test has changed.
 *
 * @param {number} concurrency
 * @param {Pick<import('./sandbox.mjs').Fingerprints, 'product' | 'tests'>} fingerprints
 * @returns {Promise<CoveredTest[]>} without files that fail
 */
export async function dryRun(concurrency, { product, tests }) {
  const folder = path.join(WORK, 'dry-run', product);
  const coverage = path.join(folder, 'coverage');
  if (!existsSync(folder)) rmSync(path.dirname(folder), { recursive: true, force: true });
  mkdirSync(coverage, { recursive: true });
  forgetChanged(folder, tests);
  const missing = notPassed([...tests.keys()], folder);
  if (missing.length > 0) console.log(`• running ${missing.length} test files once without a mutant …`);
  await coveredRun(missing, folder, concurrency);
  const failed = notPassed(missing, folder);
  // A test may fail now and then on a busy machine, so it runs again, alone. After a second failure it is left out.
  await coveredRun(failed, folder, 1);
  const failedAgain = new Set(notPassed(failed, folder));
  for (const file of failed) {
    const what = failedAgain.has(file) ? 'fails without any mutant and is left out' : 'failed once without any mutant';
    console.log(`  ${path.relative(SANDBOX, file)} ${what}`);
  }
  const reached = reachedMutants(coverage);
  return [...resultsIn(folder).values()]
    .filter(({ failed }) => !failed)
    .map(({ file, durationMs }) => ({ file, durationMs, reached: reached.get(file) ?? new Set() }));
}

/**
 * Forgets the results of test files that have changed since, or are gone.
 * @param {string} folder
 * @param {ReadonlyMap<string, string>} tests a fingerprint of each file
 */
function forgetChanged(folder, tests) {
  const seenFile = path.join(folder, 'tests.json');
  /** @type {Map<string, string>} */
  const seen = existsSync(seenFile) ? new Map(JSON.parse(readFileSync(seenFile, 'utf8'))) : new Map();
  const same = [...resultsIn(folder).values()].filter(
    ({ file }) => tests.has(file) && tests.get(file) === seen.get(file),
  );
  writeFileSync(path.join(folder, DURATIONS), same.map((result) => `${JSON.stringify(result)}\n`).join(''));
  writeFileSync(seenFile, JSON.stringify([...tests]));
}

/**
 * Runs test files and notes which mutants they reach.
 * @param {readonly string[]} files
 * @param {string} folder
 * @param {number} concurrency
 */
async function coveredRun(files, folder, concurrency) {
  if (files.length === 0) return;
  const workers = concurrency === 1 ? ['-i'] : ['-w', String(concurrency)];
  await jest([...workers, '--forceExit', '--runTestsByPath', ...files], {
    MUTATION_COVERAGE: path.join(folder, 'coverage'),
    MUTATION_DURATIONS: path.join(folder, DURATIONS),
  });
}

/**
 * Those that have failed, or have not run.
 * @param {readonly string[]} files
 * @param {string} folder
 */
function notPassed(files, folder) {
  const results = resultsIn(folder);
  return files.filter((file) => results.get(file)?.failed !== false);
}

/** The last result of each test file. @param {string} folder @returns {Map<string, DryResult>} */
function resultsIn(folder) {
  const file = path.join(folder, DURATIONS);
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
  /** @type {DryResult[]} */
  const results = lines.map((line) => JSON.parse(line));
  return new Map(results.map((result) => [result.file, result]));
}

/** Mutants by test file, as `environment.cjs` writes them. @param {string} coverage a folder */
function reachedMutants(coverage) {
  /** @type {{ file: string, reached: string[] }[]} */
  const notes = readdirSync(coverage).map((name) => JSON.parse(readFileSync(path.join(coverage, name), 'utf8')));
  return new Map(notes.map(({ file, reached }) => [file, new Set(reached)]));
}
