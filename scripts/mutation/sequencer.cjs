const { readFileSync } = require('node:fs');
const Sequencer = require('@jest/test-sequencer').default;

const { MUTATION_ORDER } = process.env;

/** Runs test files in the order of MUTATION_ORDER (a file with a list of them): the most likely to fail come first. */
module.exports = class GivenOrder extends Sequencer {
  /** @override @param {import('@jest/test-result').Test[]} tests */
  sort(tests) {
    if (MUTATION_ORDER === undefined) return super.sort(tests);
    /** @type {string[]} */
    const order = JSON.parse(readFileSync(MUTATION_ORDER, 'utf8'));
    return [...tests].sort((a, b) => order.indexOf(a.path) - order.indexOf(b.path));
  }
};
