import { systemClock } from '@fnfleet/core';
import { Dispatcher, placers } from '@fnfleet/placement';
import { NOTHING_REPORTED } from '@fnfleet/protocol';
import { median, table } from './statistics.mjs';

const SIZES = [10, 1_000, 10_000];
const FUNCTIONS = 200;
const WARM_UPS = 20_000;
const BATCHES = 200;
const BATCH = 50;
/** Calls that run all the time, because a fleet where nothing runs is not typical. */
const IN_HAND = 500;

/**
 * The cost of placing one call, from the dispatcher's `place` to the offer and from the outcome to the end, with runners that
 * accept every call and cost nothing themselves: the median of batches, in microseconds.
 */
export async function measurePlacement() {
  const rows = [];
  for (const name of placers.names) rows.push([name, ...(await columns(name))]);
  return table(['placer', ...SIZES.map((size) => `${size} runners, µs`)], rows);
}

/** @param {string} name of a placer */
async function columns(name) {
  const cells = [];
  for (const size of SIZES) cells.push((await costOf(name, size)).toFixed(1));
  return cells;
}

/** @param {string} name of a placer @param {number} size runners */
async function costOf(name, size) {
  const list = { runners: Array.from({ length: size }, (_, i) => new TakesAll(`10.0.${i >> 8}.${i & 255}:9190`)) };
  const dispatcher = new Dispatcher({
    pool: { runners: () => list, close: async () => undefined },
    placer: placers.get(name).create({ random: Math.random, clock: systemClock }),
    clock: systemClock,
    timing: { placerTimeoutMs: 1_000, detachedPlacerTimeoutMs: 1_000, retryAllDelayMs: 10 },
    limits: { maxCalls: 1_000, maxBytes: 1e9 },
    health: { probeMs: 0 },
    random: Math.random,
  });
  const signal = new AbortController().signal;
  const place = (/** @type {string | number} */ i) => dispatcher.place(aCall(i), signal);
  const held = Array.from({ length: IN_HAND }, (_, i) => place(`held ${i}`));
  for (let i = 0; i < WARM_UPS; i += 1) await place(i);
  const batches = [];
  for (let batch = 0; batch < BATCHES; batch += 1) {
    const from = performance.now();
    for (let i = 0; i < BATCH; i += 1) await place(batch * BATCH + i);
    batches.push(((performance.now() - from) * 1_000) / BATCH);
  }
  for (const { release } of list.runners) for (const end of release.splice(0)) end();
  await Promise.all(held);
  dispatcher.close();
  return median(batches);
}

/** Ends calls at once, except those whose id begins with `held`. */
class TakesAll {
  /** @type {(() => void)[]} */
  release = [];

  /** @param {string} address */
  constructor(address) {
    this.address = address;
  }

  /** @param {import('@fnfleet/protocol').OutboundCall} call @returns {Promise<import('@fnfleet/protocol').AttemptOutcome>} */
  tryCall({ model }) {
    if (!model.id.startsWith('held')) return FINISHED;
    return new Promise((resolve) => this.release.push(() => resolve(OUTCOME)));
  }

  /** @returns {Promise<never>} */
  status() {
    return Promise.reject(new Error('nobody asks'));
  }

  async close() {}
}

/** @type {import('@fnfleet/protocol').AttemptOutcome} */
const OUTCOME = { kind: 'finished', report: NOTHING_REPORTED };
const FINISHED = Promise.resolve(OUTCOME);
/** @type {import('@fnfleet/protocol').ReplayableBody} */
const BODY = {
  replayable: true,
  open() {
    throw new Error('nobody reads it');
  },
  commit: () => undefined,
};
const RESPONSE = { writeHead() {}, write: () => true, onDrain() {} };
/** @type {import('@fnfleet/core').Call} */
const MODEL = {
  ...{ id: '', image: 'bench', type: 'sync', fnId: '', appId: 'app', appName: 'bench', triggerId: '' },
  ...{ method: 'POST', url: '', headers: {}, config: {}, annotations: {}, syslogUrl: '', status: 'queued' },
  ...{ timeoutSeconds: 30, idleTimeoutSeconds: 30, memoryMb: 128, tmpfsMb: 0, cpuMillis: 0 },
  ...{ createdAt: systemClock.wallNow(), startedAt: undefined, completedAt: undefined },
};

/**
 * @param {string | number} id
 * @returns {import('@fnfleet/protocol').OutboundCall}
 */
function aCall(id) {
  const fnId = `fn${Math.floor(Math.random() * FUNCTIONS)}`;
  return {
    model: { ...MODEL, id: String(id), fnId },
    slotHash: '',
    extensions: {},
    body: BODY,
    response: RESPONSE,
    addExecution: () => undefined,
  };
}
