/** Prints the totals as one plain line at the very end, for people and for CI that read the last line. */
module.exports = class ClosingLinesReporter {
  onRunComplete(_contexts, results) {
    const skipped = results.numPendingTests + results.numTodoTests;
    // A suite that could not even be loaded counts as a failure; it has no tests of its own to count.
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    process.stdout.write(`\n${results.numPassedTests} passed, ${failed} failed, ${skipped} skipped\n`);
  }
};
