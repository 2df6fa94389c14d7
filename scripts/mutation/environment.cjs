const { createHash } = require('node:crypto');
const { writeFileSync } = require('node:fs');
const path = require('node:path');
const { TestEnvironment } = require('jest-environment-node');

const { MUTATION_COVERAGE, MUTATION_VERDICT } = process.env;

/**
 * With MUTATION_COVERAGE (a folder): notes the mutants that a test file reaches. With MUTATION_VERDICT (a file): the first
 * failure is written there and ends the process, as nothing more is to be learned about a mutant after it.
 */
module.exports = class MutationEnvironment extends TestEnvironment {
  constructor(config, context) {
    super(config, context);
    this.testPath = context.testPath;
  }

  handleTestEvent({ name, test, error }) {
    if (MUTATION_VERDICT === undefined) return;
    if (name === 'test_fn_failure') this.fail(test, error);
    else if (name === 'hook_failure') this.fail(test, error);
    else if (name === 'test_done' && test.errors.length > 0) this.fail(test, test.errors[0]);
  }

  fail(test, error) {
    const names = [];
    for (let at = test; at !== undefined && at.name !== 'ROOT_DESCRIBE_BLOCK'; at = at.parent) names.unshift(at.name);
    const cause = Array.isArray(error) ? (error[0] ?? error[1]) : error;
    const reason = String(cause?.message ?? cause);
    writeFileSync(
      String(MUTATION_VERDICT),
      JSON.stringify({ outcome: 'killed', file: this.testPath, test: names.join(' '), reason }),
    );
    process.exit(1);
  }

  async teardown() {
    if (MUTATION_COVERAGE !== undefined) {
      const reached = Object.keys(/** @type {any} */ (this.global).__stryker__?.mutantCoverage?.static ?? {});
      const name = createHash('sha256').update(this.testPath).digest('hex');
      writeFileSync(path.join(MUTATION_COVERAGE, `${name}.json`), JSON.stringify({ file: this.testPath, reached }));
    }
    await super.teardown();
  }
};
