const { createHash } = require('node:crypto');
const { writeFileSync } = require('node:fs');
const path = require('node:path');
const { TestEnvironment } = require('jest-environment-node');

const { MUTATION_COVERAGE, MUTATION_VERDICT } = process.env;

/** @typedef {import('@jest/types').Circus.DescribeBlock | import('@jest/types').Circus.TestEntry} Titled */
/** @typedef {{ mutantCoverage?: { static?: Record<string, number> } }} StrykerNamespace what instrumented code counts: hits by mutant */

/**
 * With MUTATION_COVERAGE (a folder): notes the mutants that a test file reaches. With MUTATION_VERDICT (a file): the first
 * failure is written there and ends the process, because later ones tell nothing more about a mutant.
 */
module.exports = class MutationEnvironment extends TestEnvironment {
  /** @param {ConstructorParameters<typeof TestEnvironment>[0]} config @param {ConstructorParameters<typeof TestEnvironment>[1]} context */
  constructor(config, context) {
    super(config, context);
    this.testPath = context.testPath;
  }

  /** @param {import('@jest/types').Circus.Event} event */
  handleTestEvent(event) {
    if (MUTATION_VERDICT === undefined) return;
    if (event.name === 'test_fn_failure') this.fail(event.test, event.error);
    else if (event.name === 'hook_failure') this.fail(event.test ?? event.describeBlock, event.error);
    else if (event.name === 'test_done' && event.test.errors.length > 0) this.fail(event.test, event.test.errors[0]);
  }

  /**
   * @param {Titled | undefined} failed
   * @param {import('@jest/types').Circus.TestError | string | undefined} error
   */
  fail(failed, error) {
    const names = [];
    for (let at = failed; at !== undefined && at.name !== 'ROOT_DESCRIBE_BLOCK'; at = at.parent) names.unshift(at.name);
    const cause = Array.isArray(error) ? (error[0] ?? error[1]) : error;
    const reason = String(cause?.message ?? cause);
    writeFileSync(
      String(MUTATION_VERDICT),
      JSON.stringify({ outcome: 'killed', file: this.testPath, test: names.join(' '), reason }),
    );
    process.exit(1);
  }

  /** @override */
  async teardown() {
    if (MUTATION_COVERAGE !== undefined) {
      const stryker = /** @type {StrykerNamespace | undefined} */ (this.global.__stryker__);
      const reached = Object.keys(stryker?.mutantCoverage?.static ?? {});
      const name = createHash('sha256').update(this.testPath).digest('hex');
      writeFileSync(path.join(MUTATION_COVERAGE, `${name}.json`), JSON.stringify({ file: this.testPath, reached }));
    }
    await super.teardown();
  }
};
