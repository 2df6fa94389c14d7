import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ROOT } from '../lib/shell.mjs';
import { runtime, toolEnv } from '../lib/toolchain.mjs';
import { PACKAGES } from './instrument.mjs';
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

/**
 * Runs every test of the packages once without a mutant, unless that has been done for these very sources.
 *
 * @returns for each test file how long it took, and which mutants it reaches; without files that fail
 */
export async function dryRun(concurrency, fingerprint) {
  const known = path.join(WORK, 'dry-run', fingerprint);
  if (!existsSync(known)) writeFileSync(known, JSON.stringify(await runAll(concurrency)));
  return JSON.parse(readFileSync(known, 'utf8')).map((test) => ({ ...test, reached: new Set(test.reached) }));
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
      const reached = byFile.get(file).filter(({ id }) => test.reached.has(id)).length;
      promise = reached / (test.durationMs + LOADING_MS);
      test.promises.set(file, promise);
    }
    return promise;
  };
}

async function runAll(concurrency) {
  const folder = path.join(WORK, 'dry-run');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(path.join(folder, 'coverage'), { recursive: true });
  const results = await coveredRun(
    PACKAGES.map((name) => `packages/${name}/`),
    folder,
    concurrency,
  );
  const failed = [...results.values()].filter(({ failed }) => failed).map(({ file }) => file);
  // A test that fails now and then on a busy machine gets another chance, alone. If it fails again, it counts for nothing.
  for (const [file, result] of failed.length > 0 ? await coveredRun(failed, folder, 1) : []) {
    if (result.failed) results.delete(file);
    else results.set(file, result);
    const what = result.failed ? 'fails without any mutant and is left out' : 'failed once without any mutant';
    console.log(`  ${path.relative(SANDBOX, file)} ${what}`);
  }
  const reached = new Map(
    readdirSync(path.join(folder, 'coverage'))
      .map((name) => JSON.parse(readFileSync(path.join(folder, 'coverage', name), 'utf8')))
      .map(({ file, reached }) => [file, reached]),
  );
  return [...results.values()].map(({ file, durationMs }) => ({ file, durationMs, reached: reached.get(file) ?? [] }));
}

/** What the reporter wrote of each test file that matches. */
async function coveredRun(patterns, folder, concurrency) {
  const durations = path.join(folder, 'durations.jsonl');
  rmSync(durations, { force: true });
  const workers = concurrency === 1 ? ['-i'] : ['-w', String(concurrency)];
  await jest([...workers, '--forceExit', ...patterns], {
    MUTATION_COVERAGE: path.join(folder, 'coverage'),
    MUTATION_DURATIONS: durations,
  });
  const lines = readFileSync(durations, 'utf8').trim().split('\n');
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
