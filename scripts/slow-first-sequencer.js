const path = require('node:path');
const { default: Sequencer } = require('@jest/test-sequencer');
const { testFiles } = require('./lib/test-files.cjs');

const seconds = new Map(testFiles().map(({ compiled, takesSeconds }) => [compiled, takesSeconds]));

/**
 * Begins with the slowest suites, so that none of them is left for one worker while the other has nothing to do. jest does
 * that itself by the times of the last run, which a fresh clone does not have.
 */
module.exports = class SlowFirstSequencer extends Sequencer {
  /** @override @param {import('@jest/test-result').Test[]} tests */
  async sort(tests) {
    const sorted = await super.sort(tests);
    return [...sorted].sort((a, b) => secondsOf(b) - secondsOf(a));
  }
};

/** @param {import('@jest/test-result').Test} test */
function secondsOf(test) {
  return seconds.get(path.relative(test.context.config.rootDir, test.path)) ?? 0;
}
