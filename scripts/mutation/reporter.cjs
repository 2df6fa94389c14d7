const { appendFileSync, existsSync, writeFileSync } = require('node:fs');

const { MUTATION_DURATIONS, MUTATION_VERDICT } = process.env;

/** Writes the result of a run to the file that an environment variable names. */
module.exports = class MutationReporter {
  /**
   * @param {import('@jest/test-result').Test} test
   * @param {import('@jest/test-result').TestResult} result
   */
  onTestResult({ path: file }, { perfStats, numFailingTests, failureMessage }) {
    if (MUTATION_DURATIONS === undefined) return;
    const failed = numFailingTests > 0 || Boolean(failureMessage);
    appendFileSync(
      MUTATION_DURATIONS,
      `${JSON.stringify({ file, durationMs: perfStats.end - perfStats.start, failed })}\n`,
    );
  }

  /**
   * @param {unknown} _contexts
   * @param {import('@jest/test-result').AggregatedResult} results
   */
  onRunComplete(_contexts, { numPassedTests, numFailedTests, numRuntimeErrorTestSuites, testResults }) {
    if (MUTATION_VERDICT === undefined || existsSync(MUTATION_VERDICT)) return;
    const failed = testResults.find(({ testExecError, numFailingTests }) => testExecError || numFailingTests > 0);
    const verdict =
      numFailedTests + numRuntimeErrorTestSuites > 0
        ? { outcome: 'killed', file: failed?.testFilePath, test: '(loading it)', reason: failed?.failureMessage ?? '' }
        : { outcome: numPassedTests > 0 ? 'survived' : 'nothing ran' };
    writeFileSync(MUTATION_VERDICT, JSON.stringify(verdict));
  }
};
