const { availableParallelism } = require('node:os');
const all = require('./jest.config.js');
const { isUnitTest, testFiles } = require('./scripts/lib/test-files.cjs');

const [packages, e2e] = all.projects;
const testMatch = testFiles()
  .filter(isUnitTest)
  .map(({ compiled }) => `<rootDir>/${compiled}`);

/** Only the unit tests; `scripts/lib/test-files.cjs` tells them apart. */
module.exports = {
  ...all,
  // Unit tests compute more than they wait.
  maxWorkers: Math.min(8, availableParallelism()),
  reporters: ['default', ['<rootDir>/scripts/closing-lines-reporter.js', { unitTestSeconds: 5 }]],
  projects: [{ ...packages, displayName: 'unit', roots: [...packages.roots, ...e2e.roots], testMatch }],
};
