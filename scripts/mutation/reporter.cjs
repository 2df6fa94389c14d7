const { appendFileSync, existsSync, writeFileSync } = require('node:fs');

const { MUTATION_DURATIONS, MUTATION_VERDICT } = process.env;

/** Writes what the run of tests came to where the environment wants it. */
module.exports = class MutationReporter {
  onTestResult({ path: file }, { perfStats, numFailingTests, failureMessage }) {
    if (MUTATION_DURATIONS === undefined) return;
    const failed = numFailingTests > 0 || Boolean(failureMessage);
    appendFileSync(
      MUTATION_DURATIONS,
      `${JSON.stringify({ file, durationMs: perfStats.end - perfStats.start, failed })}\n`,
    );
  }

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
