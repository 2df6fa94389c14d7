const { default: Sequencer } = require('@jest/test-sequencer');

/** Those that take longest, longest first. What is missing here costs a little time and nothing else. */
const SLOW = [
  'e2e/dist/swarm.test',
  'e2e/dist/fuzz/fuzz.test',
  'e2e/dist/engine-trouble.test',
  'docker/docker-driver.test',
  'soak/soak.test',
  'e2e/dist/partition.test',
  'e2e/dist/loss.test',
  'e2e/dist/monitoring.test',
  'e2e/dist/docs.test',
  'e2e/dist/compose.test',
  'e2e/dist/operate.test',
  'e2e/dist/strangers.test',
  'docker/hostile-engine.test',
  'e2e/dist/',
  'pure-runner/dist/hostile-silence.test',
  'lb-agent/dist/hostile-callers.test',
  'sqlite/two-processes.test',
  'etcd/etcd-pool.test',
  'docker/',
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
