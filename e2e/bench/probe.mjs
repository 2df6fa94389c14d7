/**
 * Counts, inside a node of a fleet that is measured, what its calls make: bytes on the heap, promises, timers. Node loads it with
 * `--import`; it changes nothing until a bench connects to its socket, and only counts between two requests.
 *
 *   PROBE_FOLDER=<folder> node --import <this file> ...      listens on <folder>/<pid>.sock; a line for each request and response
 */
import { createHook } from 'node:async_hooks';
import { Session } from 'node:inspector/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { GCProfiler } from 'node:v8';
import { isMainThread } from 'node:worker_threads';

/**
 * @typedef {{ allocated: number }} Heap bytes on V8's heap: what it has grown by, and what was collected
 * @typedef {Record<'promises' | 'timers' | 'immediates' | 'ticks', number>} Objects
 */

/** What async_hooks calls them. @type {Record<string, keyof Objects>} */
const KINDS = { PROMISE: 'promises', Timeout: 'timers', Immediate: 'immediates', TickObject: 'ticks' };
/** Bytes between two samples of allocated objects, on average. */
const SAMPLE_BYTES = 4096;

/** @type {Record<string, () => unknown>} what a bench may ask for; each begins something, and returns what it has to wait for */
const REQUESTS = { heap: startHeap, objects: startObjects, sample: startSampling };

/** @type {Map<string, () => unknown>} what ends each of those that were begun */
const running = new Map();

if (isMainThread && process.env.PROBE_FOLDER !== undefined) listen(process.env.PROBE_FOLDER);

/** @param {string} folder */
function listen(folder) {
  const server = createServer((socket) => {
    createInterface({ input: socket }).on('line', async (name) =>
      socket.write(`${JSON.stringify(await answer(name))}\n`),
    );
    socket.unref();
  });
  server.listen(path.join(folder, `${process.pid}.sock`));
  server.unref();
}

/** Begins what has not begun, and ends what has. @param {string} name */
async function answer(name) {
  const end = running.get(name);
  running.delete(name);
  if (end !== undefined) return end();
  const begin = REQUESTS[name];
  if (begin === undefined) return { error: `no request ${name}` };
  running.set(name, /** @type {() => unknown} */ (await begin()));
  return {};
}

/** @returns {() => Heap} */
function startHeap() {
  const profiler = new GCProfiler();
  profiler.start();
  const before = process.memoryUsage().heapUsed;
  return () => {
    const after = process.memoryUsage().heapUsed;
    const { statistics } = profiler.stop();
    const collected = statistics.reduce(
      (sum, { beforeGC, afterGC }) => sum + beforeGC.heapStatistics.usedHeapSize - afterGC.heapStatistics.usedHeapSize,
      0,
    );
    return { allocated: after - before + collected };
  };
}

/** Slows the node down, and makes promises cost more bytes: not to be used together with the others. @returns {() => Objects} */
function startObjects() {
  const counts = { promises: 0, timers: 0, immediates: 0, ticks: 0 };
  const hook = createHook({
    init(_id, type) {
      const kind = KINDS[type];
      if (kind !== undefined) counts[kind] += 1;
    },
  }).enable();
  return () => {
    hook.disable();
    return counts;
  };
}

/** Where bytes are allocated. @returns {Promise<() => Promise<import('node:inspector').HeapProfiler.SamplingHeapProfile>>} */
async function startSampling() {
  const session = new Session();
  session.connect();
  await session.post('HeapProfiler.startSampling', {
    samplingInterval: SAMPLE_BYTES,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  });
  return async () => {
    const { profile } = await session.post('HeapProfiler.stopSampling');
    session.disconnect();
    return profile;
  };
}
