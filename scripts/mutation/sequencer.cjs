const { readFileSync } = require('node:fs');
const Sequencer = require('@jest/test-sequencer').default;

const { MUTATION_ORDER } = process.env;

/** Test files in the order of MUTATION_ORDER (a file with a list of them): those that are most likely to fail first. */
module.exports = class GivenOrder extends Sequencer {
  sort(tests) {
    if (MUTATION_ORDER === undefined) return super.sort(tests);
    const order = JSON.parse(readFileSync(MUTATION_ORDER, 'utf8'));
    return [...tests].sort((a, b) => order.indexOf(a.path) - order.indexOf(b.path));
  }
};
