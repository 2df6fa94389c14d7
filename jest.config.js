const { availableParallelism } = require('node:os');
const { testFiles } = require('./scripts/lib/test-files.cjs');

/** Tests run on what `tsc --build` made, so that they test the very code that ships and need no transform. */
const base = {
  testEnvironment: 'node',
  transform: {},
  injectGlobals: true,
  rootDir: __dirname,
  setupFilesAfterEnv: ['<rootDir>/scripts/lib/test-guard.cjs'],
};

/**
 * Suites wait for engines, timeouts and other processes most of the time, so that two cores carry two of them, where jest
 * would run one. Not more than there are bands of ports (`packages/testing/src/servers/free-ports.ts`): all share one Docker engine.
 */
const WORKERS = Math.min(8, Math.max(2, Math.floor(availableParallelism() / 2)));

module.exports = {
  maxWorkers: WORKERS,
  testSequencer: '<rootDir>/scripts/slow-first-sequencer.js',
  reporters: ['default', '<rootDir>/scripts/closing-lines-reporter.js'],
  projects: [
    { ...base, displayName: 'packages', roots: ['<rootDir>/packages'], testMatch: compiled((name) => name !== 'e2e') },
    { ...base, displayName: 'e2e', roots: ['<rootDir>/e2e'], testMatch: compiled((name) => name === 'e2e') },
  ],
  // Only says when to give up: on a machine that is busy with other things, everything takes longer.
  testTimeout: 60_000,
};

/**
 * Only files that have a source: `dist` keeps the output of files that have moved since.
 * @param {(project: string) => boolean} belongs
 */
function compiled(belongs) {
  return testFiles()
    .filter(({ project }) => belongs(project))
    .map((file) => `<rootDir>/${file.compiled}`);
}
