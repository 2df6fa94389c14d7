import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { jest } from './jest.mjs';
import { SANDBOX } from './sandbox.mjs';

/**
 * @typedef {import('./instrument.mjs').Mutant} Mutant
 * @typedef {import('./dry-run.mjs').CoveredTest} CoveredTest
 *
 * @typedef {object} Verdict
 * @property {'killed' | 'timeout' | 'survived' | 'not reached' | 'nothing ran'} outcome
 * @property {string} [file] the test file that noticed the mutant
 * @property {string} [test] the title of the test
 * @property {string} [reason] its failure
 */

const TIME_TO_START_MS = 15_000;
const SLOWER = 4;
/** Test files that run for one mutant at most: those that are most likely to notice it. */
const MOST_FILES = 25;
/** The time to load a test file, roughly. */
const LOADING_MS = 300;

/**
 * Runs the test files that reach a mutant, with the mutant active, up to the first failure.
 *
 * @param {Mutant} mutant
 * @param {readonly CoveredTest[]} testFiles
 * @param {ReturnType<typeof relevanceAmong>} relevance
 * @returns {Promise<Verdict>}
 */
export async function tryMutant(mutant, testFiles, relevance) {
  const reaching = testFiles
    .filter(({ reached }) => reached.has(mutant.id))
    .sort((a, b) => distance(a, mutant) - distance(b, mutant) || relevance(b, mutant) - relevance(a, mutant))
    .slice(0, MOST_FILES);
  if (reaching.length === 0) return { outcome: 'not reached' };
  const files = reaching.map(({ file }) => file);
  const limitMs = TIME_TO_START_MS + SLOWER * reaching.reduce((sum, { durationMs }) => sum + durationMs, 0);
  const verdict = await runTests(files, limitMs, mutant.id);
  if (verdict.outcome !== 'timeout') return verdict;
  // On a busy machine, the run may time out without any effect of the mutant.
  const control = await runTests(files, limitMs, undefined);
  return control.outcome === 'survived' ? verdict : runTests(files, 4 * limitMs, mutant.id);
}

/**
 * Tells how closely a test looks at the file of a mutant: the share of the file's mutants that it reaches, by the time it takes.
 *
 * @param {readonly Mutant[]} mutants all that there are
 */
export function relevanceAmong(mutants) {
  const byFile = Map.groupBy(mutants, ({ file }) => file);
  /** @type {Map<CoveredTest, Map<string, number>>} */
  const known = new Map();
  /** @param {CoveredTest} test @param {Mutant} mutant */
  return (test, { file }) => {
    const ofTest = known.get(test) ?? new Map();
    known.set(test, ofTest);
    const reached = () => (byFile.get(file) ?? []).filter(({ id }) => test.reached.has(id)).length;
    const relevance = ofTest.get(file) ?? reached() / (test.durationMs + LOADING_MS);
    ofTest.set(file, relevance);
    return relevance;
  };
}

/**
 * The test beside the file comes first, then those of its package.
 * @param {CoveredTest} test
 * @param {Mutant} mutant
 */
function distance({ file: test }, { file, package: name }) {
  const beside = path.join(SANDBOX, file).replace('/src/', '/dist/').replace(/\.ts$/, '.test.js');
  if (test === beside) return 0;
  return test.startsWith(path.join(SANDBOX, 'packages', name, 'dist/')) ? 1 : 2;
}

/**
 * @param {readonly string[]} files
 * @param {number} limitMs
 * @param {string | undefined} activeMutant undefined: none
 * @returns {Promise<Verdict>}
 */
async function runTests(files, limitMs, activeMutant) {
  const folder = mkdtempSync(path.join(tmpdir(), 'mutant-'));
  const verdict = path.join(folder, 'verdict.json');
  const order = path.join(folder, 'order.json');
  writeFileSync(order, JSON.stringify(files));
  const env = {
    MUTATION_VERDICT: verdict,
    MUTATION_ORDER: order,
    TMPDIR: folder,
    ...(activeMutant !== undefined && { __STRYKER_ACTIVE_MUTANT__: activeMutant }),
  };
  try {
    const { timedOut, code } = await jest(
      ['-i', '--bail', '--silent', '--forceExit', '--runTestsByPath', ...files],
      env,
      limitMs,
    );
    if (existsSync(verdict)) return JSON.parse(readFileSync(verdict, 'utf8'));
    return timedOut
      ? { outcome: 'timeout' }
      : { outcome: 'killed', test: '(the process ended)', reason: `exit code ${code}` };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
