/**
 * Measures the calls of one checkout; `call-cost.mjs` runs it.
 *
 *   node bench/measure-call.mjs <checkout> [--calls 5000] [--promoted]
 *   node --cpu-prof bench/measure-call.mjs <checkout> --profile 20      only runs 20 × 5000 calls
 */
import { createHook } from 'node:async_hooks';
import { ServerResponse } from 'node:http';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { BODY, drive } from './instant-requests.mjs';
import { newBalancer } from './instant-runners.mjs';

/** @typedef {import('./instant-requests.mjs').Listener} Listener */
/** @typedef {Record<'bytes' | 'promises' | 'timers' | 'listeners', number>} Objects made per call */

/** Marks, in the trace of the garbage collector, where the measurement of promoted bytes begins and ends. */
export const MARK = '=====';
/** Calls while promoted bytes are measured, in multiples of `--calls`. */
export const PROMOTED_CALLS = 8;

if (process.argv[1] === import.meta.filename) await main();

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      calls: { type: 'string', default: '5000' },
      profile: { type: 'string' },
      promoted: { type: 'boolean', default: false },
    },
  });
  const [checkout = '.'] = positionals;
  const calls = Number(values.calls);
  const serve = newBalancer(path.resolve(checkout));
  for (let i = 0; i < 4; i += 1) {
    await drive(bare, calls);
    await drive(serve, calls);
  }
  if (values.profile !== undefined) await drive(serve, calls * Number(values.profile));
  else if (values.promoted) await tracePromotion(serve, calls);
  else process.stdout.write(`${JSON.stringify(await costs(serve, calls))}\n`);
  process.exit();
}

/** Answers without a balancer. @type {Listener} */
function bare(req, res) {
  req.on('data', () => undefined);
  req.on('end', () => {
    res.writeHead(200, ['Content-Type', 'application/json', 'Content-Length', '2']);
    res.end(BODY);
  });
}

/** @param {Listener} serve @param {number} calls */
async function tracePromotion(serve, calls) {
  // What a full collection has promoted must not keep what comes later.
  globalThis.gc?.();
  globalThis.gc?.();
  process.stdout.write(MARK);
  await drive(serve, PROMOTED_CALLS * calls);
  process.stdout.write(MARK);
}

/** @param {Listener} serve @param {number} calls */
async function costs(serve, calls) {
  const micros = [];
  for (let i = 0; i < 4; i += 1) micros.push((await cpuMicros(serve, calls)) - (await cpuMicros(bare, calls)));
  const ours = await objects(serve, Math.min(calls, 2000));
  const base = await objects(bare, Math.min(calls, 2000));
  return {
    micros: Math.min(...micros),
    bytes: ours.bytes - base.bytes,
    promises: ours.promises - base.promises,
    timers: ours.timers - base.timers,
    listeners: ours.listeners - base.listeners,
  };
}

/** @param {Listener} listener @param {number} calls */
async function cpuMicros(listener, calls) {
  globalThis.gc?.();
  const before = process.cpuUsage();
  await drive(listener, calls);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / calls;
}

/** @param {Listener} listener @param {number} calls @returns {Promise<Objects>} */
async function objects(listener, calls) {
  globalThis.gc?.();
  const heap = process.memoryUsage().heapUsed;
  await drive(listener, calls);
  const bytes = (process.memoryUsage().heapUsed - heap) / calls;

  let promises = 0;
  let timers = 0;
  const hook = createHook({
    init(_id, type) {
      if (type === 'PROMISE') promises += 1;
      else if (type === 'Timeout') timers += 1;
    },
  }).enable();
  const listening = countListeners();
  await drive(listener, calls);
  hook.disable();
  return { bytes, promises: promises / calls, timers: timers / calls, listeners: listening() / calls };
}

/** Counts the listeners of events, until the function that it returns is called. */
function countListeners() {
  const { addEventListener } = EventTarget.prototype;
  const { on } = ServerResponse.prototype;
  let added = 0;
  Object.assign(EventTarget.prototype, {
    /** @this {EventTarget} @param {Parameters<typeof addEventListener>} rest */
    addEventListener(...rest) {
      added += 1;
      return addEventListener.apply(this, rest);
    },
  });
  Object.assign(ServerResponse.prototype, {
    /** @this {ServerResponse} @param {Parameters<typeof on>} rest */
    on(...rest) {
      added += 1;
      return on.apply(this, rest);
    },
  });
  return () => {
    Object.assign(EventTarget.prototype, { addEventListener });
    Reflect.deleteProperty(ServerResponse.prototype, 'on');
    return added;
  };
}
