const path = require('node:path');
const { projects } = require('../../jest.config.js');

const SANDBOX = path.join(__dirname, '../../.fnfleet/mutation/sandbox');
const [packages] = projects;

/** Runs the tests of the packages on the instrumented copy. */
module.exports = {
  ...packages,
  displayName: undefined,
  rootDir: SANDBOX,
  cacheDirectory: path.join(__dirname, '../../.fnfleet/mutation/jest-cache'),
  testEnvironment: path.join(__dirname, 'environment.cjs'),
  testSequencer: path.join(__dirname, 'sequencer.cjs'),
  reporters: [path.join(__dirname, 'reporter.cjs')],
  // Shorter than in `jest.config.js`: a mutant often makes a test wait for something that never happens.
  testTimeout: 20_000,
};
