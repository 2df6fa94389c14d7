import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ROOT } from '../lib/shell.mjs';
import { runtime, toolEnv } from '../lib/toolchain.mjs';
import { SANDBOX, WORK } from './sandbox.mjs';

const JEST = [
  path.join(ROOT, 'node_modules/jest/bin/jest.js'),
  '--config',
  path.join(ROOT, 'scripts/mutation/jest.config.cjs'),
];
const TIME_TO_START_MS = 15_000;
const SLOWER = 4;
/** Test files that are run for one mutant at most: those that are most likely to notice it. */
const MOST_FILES = 25;
/** What it takes to load a test file, roughly. */
const LOADING_MS = 300;
/** A line for each test file that has run. */
const DURATIONS = 'durations.jsonl';

/**
 * Runs every test of the packages once without a mutant. What an earlier run has found out is used again, also of one that
 * was cut short, as long as neither the test nor what it tests has changed.
 *
 * @returns for each test file how long it took, and which mutants it reaches; without files that fail
 */
export async function dryRun(concurrency, { product, tests }) {
  const folder = path.join(WORK, 'dry-run', product);
  const coverage = path.join(folder, 'coverage');
  if (!existsSync(folder)) rmSync(path.dirname(folder), { recursive: true, force: true });
  mkdirSync(coverage, { recursive: true });
  forgetChanged(folder, tests);
  const missing = notWell([...tests.keys()], folder);
  if (missing.length > 0) console.log(`• running ${missing.length} test files once without a mutant …`);
  await coveredRun(missing, folder, concurrency);
  const failed = notWell(missing, folder);
  // A test that fails now and then on a busy machine gets another chance, alone. If it fails again, it counts for nothing.
  await coveredRun(failed, folder, 1);
  const failedAgain = new Set(notWell(failed, folder));
  for (const file of failed) {
    const what = failedAgain.has(file) ? 'fails without any mutant and is left out' : 'failed once without any mutant';
    console.log(`  ${path.relative(SANDBOX, file)} ${what}`);
  }
  const reached = new Map(
    readdirSync(coverage)
      .map((name) => JSON.parse(readFileSync(path.join(coverage, name), 'utf8')))
      .map(({ file, reached }) => [file, new Set(reached)]),
  );
  return [...resultsIn(folder).values()]
    .filter(({ failed }) => !failed)
    .map(({ file, durationMs }) => ({ file, durationMs, reached: reached.get(file) ?? new Set() }));
}

/** Forgets what is known of test files that have changed since, or are gone. */
function forgetChanged(folder, tests) {
  const seenFile = path.join(folder, 'tests.json');
  const seen = existsSync(seenFile) ? new Map(JSON.parse(readFileSync(seenFile, 'utf8'))) : new Map();
  const same = [...resultsIn(folder).values()].filter(
    ({ file }) => tests.has(file) && tests.get(file) === seen.get(file),
  );
  writeFileSync(path.join(folder, DURATIONS), same.map((result) => `${JSON.stringify(result)}\n`).join(''));
  writeFileSync(seenFile, JSON.stringify([...tests]));
}

/**
 * Tells which tests look most closely at the file of a mutant: those that reach most of its mutants in the least time.
 *
 * @param mutants all that there are
 */
export function promises(mutants) {
  const byFile = Map.groupBy(mutants, ({ file }) => file);
  return (test, { file }) => {
    test.promises ??= new Map();
    let promise = test.promises.get(file);
    if (promise === undefined) {
      const reached = (byFile.get(file) ?? []).filter(({ id }) => test.reached.has(id)).length;
      promise = reached / (test.durationMs + LOADING_MS);
      test.promises.set(file, promise);
    }
    return promise;
  };
}

/** Runs test files, and notes which mutants they reach. */
async function coveredRun(files, folder, concurrency) {
  if (files.length === 0) return;
  const workers = concurrency === 1 ? ['-i'] : ['-w', String(concurrency)];
  await jest([...workers, '--forceExit', '--runTestsByPath', ...files], {
    MUTATION_COVERAGE: path.join(folder, 'coverage'),
    MUTATION_DURATIONS: path.join(folder, DURATIONS),
  });
}

/** Those that have failed, or have not run. */
function notWell(files, folder) {
  const results = resultsIn(folder);
  return files.filter((file) => results.get(file)?.failed !== false);
}

/** What the reporter wrote last of each test file. */
function resultsIn(folder) {
  const file = path.join(folder, DURATIONS);
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
  return new Map(lines.map((line) => JSON.parse(line)).map((result) => [result.file, result]));
}

/**
 * Runs the test files that reach a mutant, with the mutant active, up to the first failure.
 *
 * @returns `outcome`: 'killed', 'timeout', 'survived' or 'not reached', and which test noticed
 */
export async function tryMutant(mutant, testFiles, promiseOf) {
  const reaching = testFiles
    .filter(({ reached }) => reached.has(mutant.id))
    .sort((a, b) => distance(a, mutant) - distance(b, mutant) || promiseOf(b, mutant) - promiseOf(a, mutant))
    .slice(0, MOST_FILES);
  if (reaching.length === 0) return { outcome: 'not reached' };
  const files = reaching.map(({ file }) => file);
  const limitMs = TIME_TO_START_MS + SLOWER * reaching.reduce((sum, { durationMs }) => sum + durationMs, 0);
  const verdict = await runTests(files, limitMs, mutant.id);
  if (verdict.outcome !== 'timeout') return verdict;
  // On a busy machine, the limit may have passed without any fault of the mutant's.
  const control = await runTests(files, limitMs, undefined);
  return control.outcome === 'survived' ? verdict : runTests(files, 4 * limitMs, mutant.id);
}

/** The test beside the file comes first, then those of its package. */
function distance({ file: test }, { file, package: name }) {
  const beside = path.join(SANDBOX, file).replace('/src/', '/dist/').replace(/\.ts$/, '.test.js');
  if (test === beside) return 0;
  return test.startsWith(path.join(SANDBOX, 'packages', name, 'dist/')) ? 1 : 2;
}

async function runTests(files, limitMs, activeMutant) {
  const folder = mkdtempSync(path.join(tmpdir(), 'mutant-'));
  const verdict = path.join(folder, 'verdict.json');
  const order = path.join(folder, 'order.json');
  writeFileSync(order, JSON.stringify(files));
  const env = { MUTATION_VERDICT: verdict, MUTATION_ORDER: order, TMPDIR: folder };
  if (activeMutant !== undefined) env.__STRYKER_ACTIVE_MUTANT__ = activeMutant;
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

/** In a process group of its own, which ends as a whole: nothing that a test started outlives it. */
function jest(args, env, limitMs) {
  return new Promise((resolve, reject) => {
    const child = spawn(runtime(), [...JEST, ...args], {
      cwd: SANDBOX,
      detached: true,
      stdio: ['ignore', 'ignore', 'ignore'],
      env: toolEnv({ NODE_OPTIONS: '--experimental-vm-modules --disable-warning=ExperimentalWarning', ...env }),
    });
    let timedOut = false;
    const end = () => killGroup(child.pid);
    const timer =
      limitMs &&
      setTimeout(() => {
        timedOut = true;
        end();
      }, limitMs);
    process.once('exit', end);
    child.on('error', reject);
    child.on('exit', (code) => {
      clearTimeout(timer);
      process.off('exit', end);
      end();
      resolve({ timedOut, code });
    });
  });
}

function killGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}
