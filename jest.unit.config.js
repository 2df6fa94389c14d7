const { availableParallelism } = require('node:os');
const all = require('./jest.config.js');
const { isUnitTest, testFiles } = require('./scripts/lib/test-files.cjs');

const testMatch = testFiles()
  .filter(isUnitTest)
  .map(({ compiled }) => `<rootDir>/${compiled}`);

/** Only the unit tests; `scripts/lib/test-files.cjs` tells them apart. */
module.exports = {
  ...all,
  // Unit tests compute more than they wait.
  maxWorkers: Math.min(8, availableParallelism()),
  reporters: ['default', ['<rootDir>/scripts/closing-lines-reporter.js', { unitTestSeconds: 5 }]],
  projects: [{ ...all.projects[0], displayName: 'unit', roots: all.projects.flatMap(({ roots }) => roots), testMatch }],
};
