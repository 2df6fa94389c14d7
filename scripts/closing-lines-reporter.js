const path = require('node:path');

/** Prints the totals as one plain line at the very end, for people and for CI that read the last line. */
module.exports = class ClosingLinesReporter {
  /**
   * @param {unknown} _globalConfig
   * @param {{ unitTestSeconds?: number }} [options] lists files that take longer
   */
  constructor(_globalConfig, { unitTestSeconds = Infinity } = {}) {
    this.unitTestMs = unitTestSeconds * 1000;
  }

  /**
   * @param {unknown} _contexts
   * @param {import('@jest/test-result').AggregatedResult} results
   */
  onRunComplete(_contexts, results) {
    const slow = results.testResults.filter(({ perfStats }) => perfStats.runtime > this.unitTestMs);
    for (const { testFilePath, perfStats } of slow) {
      const seconds = Math.round(perfStats.runtime / 1000);
      const source = path.relative('', testFilePath).replace('/dist/', '/src/').replace(/js$/, 'ts');
      process.stdout.write(`\n${source} took ${seconds} s: add "// takes: ${seconds} s", unless the machine was busy`);
    }
    const skipped = results.numPendingTests + results.numTodoTests;
    // A suite that could not even be loaded counts as a failure; it has no tests of its own to count.
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    process.stdout.write(`\n${results.numPassedTests} passed, ${failed} failed, ${skipped} skipped\n`);
  }
};
