const { default: Sequencer } = require('@jest/test-sequencer');

/** Those that take longest, longest first. What is missing here costs a little time and nothing else. */
const SLOW = [
  'e2e/dist/swarm',
  'e2e/dist/engine-trouble',
  'e2e/dist/soak',
  'e2e/dist/partition',
  'e2e/dist/strangers',
  'e2e/dist/monitoring',
  'e2e/dist/bodies',
  'e2e/dist/runner-status',
  'e2e/dist/',
  'docker/docker-driver',
  'hostile-silence',
  'docker/hostile-engine',
  'lb-agent/dist/hostile-callers',
  'sqlite/two-processes',
  'prefork/prefork-driver',
  'etcd/etcd-pool',
];

/**
 * Begins with the slowest suites, so that none of them is left for one worker while the other has nothing to do. jest does
 * that itself by the times of the last run, which a fresh clone does not have.
 */
module.exports = class SlowFirstSequencer extends Sequencer {
  sort(tests) {
    return Array.from(super.sort(tests)).sort((a, b) => rank(a.path) - rank(b.path));
  }
};

function rank(path) {
  const found = SLOW.findIndex((name) => path.includes(name));
  return found === -1 ? SLOW.length : found;
}
