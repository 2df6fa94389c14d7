const path = require('node:path');
const { projects } = require('../../jest.config.js');

const SANDBOX = path.join(__dirname, '../../.fnfleet/mutation/sandbox');
const [packages] = projects;

/** As the packages' tests run, on the instrumented copy. */
module.exports = {
  ...packages,
  displayName: undefined,
  rootDir: SANDBOX,
  cacheDirectory: path.join(__dirname, '../../.fnfleet/mutation/jest-cache'),
  testEnvironment: path.join(__dirname, 'environment.cjs'),
  testSequencer: path.join(__dirname, 'sequencer.cjs'),
  reporters: [path.join(__dirname, 'reporter.cjs')],
  // Shorter than where every test is to pass: a mutant often makes one wait in vain.
  testTimeout: 20_000,
};
