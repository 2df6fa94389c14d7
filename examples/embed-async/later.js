// Asynchronous calls in a program of your own: it accepts calls into a queue on disk, and runs them on a fleet of runners.
// Start it with: RUNNERS=… FN_RUNNER_API_URL=… FUNCTION=<function id> node later.js
const { IdGenerator, systemClock } = require('@fnfleet/core');
const { newStaticRunnerPool } = require('@fnfleet/discovery');
const lb = require('@fnfleet/lb-agent');
const { choosePlacer, newGrpcRunner } = require('@fnfleet/placement');
const { openSqliteQueue } = require('@fnfleet/queue');

async function start({ path, addresses, apiUrl }) {
  const clock = systemClock;
  const queue = await openSqliteQueue({ path });
  const lookup = lb.newApiLookup(apiUrl, { clock });
  const placer = choosePlacer('warm-first').create({ random: Math.random, clock });
  const agent = lb.withAsync(
    lb.newLbAgent(newStaticRunnerPool(addresses, newGrpcRunner), placer),
    lb.newDirectDequeueAccess(queue),
    { lookup, consumers: 4 },
  );
  const enqueueAccess = lb.newDirectEnqueueAccess(queue);
  const ids = new IdGenerator();

  return {
    queue,
    /** Resolves with the id of the call when it is on disk. */
    async callLater(fnId, body, idempotencyKey) {
      const request = { id: ids.next(), fnId, method: 'POST', url: `/invoke/${fnId}`, headers: {} };
      const message = lb.asyncMessage({ ...request, createdAt: clock.wallNow() }, Buffer.from(body));
      return (await enqueueAccess.enqueue({ ...message, idempotencyKey })).callId;
    },
    async stop() {
      await agent.drain({ graceMs: 30_000 });
      await lookup.close();
      await queue.close();
    },
  };
}

module.exports = { start };

if (require.main === module) {
  const { FN_RUNNER_API_URL: apiUrl, RUNNERS = '', FUNCTION: fnId } = process.env;
  start({ path: 'later.db', addresses: RUNNERS.split(','), apiUrl }).then(async (later) => {
    console.log(`accepted ${await later.callLater(fnId, 'hello')}`);
    process.once('SIGTERM', () => later.stop());
  });
}
