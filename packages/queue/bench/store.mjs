/**
 * Calls per second that the store accepts and hands out, each on disk.
 *
 *   node packages/queue/bench/store.mjs [clients] [seconds] [calls that wait beforehand]
 *
 * FN_MQ_URL names a queue, which should be empty; by default SQLite in a folder of its own. Other settings of the queue apply as well.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSettings } from '@fnfleet/core';
import { openQueue, queueSettings } from '../dist/index.js';

const [clients = 64, seconds = 5, backlog = 0] = process.argv.slice(2).map(Number);
const folder = mkdtempSync(join(tmpdir(), 'fnfleet-queue-bench-'));
const env = { FN_MQ_URL: `sqlite3://${join(folder, 'mq.db')}`, ...process.env };
const queue = await openQueue(readSettings(queueSettings, env));
const body = Buffer.alloc(1024, 'x');
let pushed = 0;

const push = () => {
  pushed += 1;
  const callId = `call-${String(pushed).padStart(12, '0')}`;
  return queue.push({ callId, fnId: `fn-${pushed % 10}`, head: '{"method":"POST"}', body });
};

/**
 * What `clients` do at the same time, until the time is over or `act` returns 0.
 * @param {string} name
 * @param {() => Promise<number>} act returns how many calls it has handled
 */
async function measure(name, act) {
  /** @type {number[]} */
  const latencies = [];
  let done = 0;
  const start = performance.now();
  const client = async () => {
    while (performance.now() - start < seconds * 1000) {
      const before = performance.now();
      const count = await act();
      if (count === 0) return;
      latencies.push(performance.now() - before);
      done += count;
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  const took = (performance.now() - start) / 1000;
  latencies.sort((a, b) => a - b);
  const at = (/** @type {number} */ share) => latencies[Math.floor(latencies.length * share)]?.toFixed(1);
  const rss = Math.round(process.memoryUsage.rss() / 2 ** 20);
  console.log(`${name}: ${Math.round(done / took)}/s, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, ${rss} MiB`);
}

for (let left = backlog; left > 0; left -= 5_000) {
  await Promise.all(Array.from({ length: Math.min(left, 5_000) }, push));
}
if (backlog > 0) console.log(`${backlog} calls wait, ${Math.round(process.memoryUsage.rss() / 2 ** 20)} MiB`);

await measure('push', async () => {
  await push();
  return 1;
});
await measure('reserve 16 and complete', async () => {
  const deliveries = await queue.reserve({ holder: 'bench', limit: 16, leaseMs: 30_000 });
  await Promise.all(deliveries.map(({ lease }) => queue.complete(lease, { head: '{}', body })));
  return deliveries.length;
});
await measure('push, reserve 1 and complete', async () => {
  await push();
  const deliveries = await queue.reserve({ holder: 'bench', limit: 1, leaseMs: 30_000 });
  await Promise.all(deliveries.map(({ lease }) => queue.complete(lease, { head: '{}', body })));
  return 1;
});
/** @type {number[]} */
const waits = [];
while ((await queue.reserve({ holder: 'bench', limit: 500, leaseMs: 300_000 })).length > 0 && backlog === 0);
for (let n = 0; backlog === 0 && n < 100; n += 1) {
  const waiting = queue.reserve({ holder: 'bench', limit: 1, leaseMs: 30_000, waitMs: 10_000 });
  await queue.stats();
  await queue.stats();
  const before = performance.now();
  const accepted = push().then(() => performance.now() - before);
  await waiting;
  waits.push(performance.now() - before, await accepted);
}
const median = (/** @type {number} */ which) =>
  waits
    .filter((_, at) => at % 2 === which)
    .sort((a, b) => a - b)[50]
    ?.toFixed(1);
if (backlog === 0)
  console.log(`one call when idle: accepted after ${median(1)} ms, delivered after ${median(0)} ms (p50)`);
const start = performance.now();
await queue.reserve({ holder: 'bench', limit: 1, leaseMs: 30_000 });
console.log(
  `one reservation: ${(performance.now() - start).toFixed(1)} ms`,
  await queue.stats().then(({ functions, ...rest }) => rest),
);
await queue.close();
rmSync(folder, { recursive: true });
