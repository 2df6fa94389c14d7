const { availableParallelism } = require('node:os');

/** Tests run on what `tsc --build` made, so that they test the very code that ships and need no transform. */
const base = { testEnvironment: 'node', transform: {}, injectGlobals: true };

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
    {
      ...base,
      displayName: 'packages',
      rootDir: __dirname,
      roots: ['<rootDir>/packages'],
      testMatch: ['<rootDir>/packages/*/dist/**/*.test.js'],
    },
    {
      ...base,
      displayName: 'e2e',
      rootDir: __dirname,
      roots: ['<rootDir>/e2e'],
      testMatch: ['<rootDir>/e2e/dist/**/*.test.js'],
    },
  ],
  // Only says when to give up: on a machine that is busy with other things, everything takes longer.
  testTimeout: 60_000,
};
