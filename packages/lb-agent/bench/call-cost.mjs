/**
 * What the balancer's own code costs for a call, without a network: from the request that Node's HTTP server hands over to
 * the answer, through front door, agent, placement, the engagement's state machine and the encoding of its messages. A fake
 * channel answers each call at once. The same requests answered without a balancer are taken off, so that what is left is
 * not Node's.
 *
 *   node bench/call-cost.mjs [--calls 5000] [--rounds 7] [--against <another built checkout>] [--json]
 *
 * CPU time is the least of all rounds, each of which is a process of its own; both checkouts take turns. Bytes are what is
 * added to a young generation that is too large to be collected meanwhile; promoted bytes are what outlives collections of one
 * of ordinary size, and has to wait for a full collection.
 */

import { createHook } from 'node:async_hooks';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { IncomingMessage, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values: args } = parseArgs({
  options: {
    calls: { type: 'string', default: '5000' },
    rounds: { type: 'string', default: '7' },
    against: { type: 'string' },
    json: { type: 'boolean', default: false },
    measure: { type: 'string' },
    profile: { type: 'string' },
    promoted: { type: 'boolean', default: false },
  },
});
const CALLS = Number(args.calls);
const CLIENTS = 8;
const BODY = Buffer.from('{}');
const RAW_HEADERS = [
  ...['Host', '127.0.0.1:8081', 'Connection', 'keep-alive', 'User-Agent', 'bench/1', 'Accept', '*/*'],
  ...['Content-Type', 'application/json', 'Content-Length', String(BODY.length)],
];
const HEADERS = Object.fromEntries(
  Array.from({ length: RAW_HEADERS.length / 2 }, (_, i) => [RAW_HEADERS[2 * i].toLowerCase(), RAW_HEADERS[2 * i + 1]]),
);

// --- parent ----------------------------------------------------------------------------------------------------------

function compare() {
  const here = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
  const checkouts = [...(args.against === undefined ? [] : [path.resolve(args.against)]), here];
  /** @typedef {Record<'micros' | 'bytes' | 'promises' | 'timers' | 'listeners' | 'promoted', number>} Costs of a call */

  /** @type {Map<string, Costs[]>} */
  const results = new Map(checkouts.map((checkout) => [checkout, []]));
  for (let round = 0; round < Number(args.rounds); round += 1) {
    for (const checkout of checkouts) results.get(checkout)?.push(run(checkout));
  }
  const rows = [...results].map(([checkout, rounds]) => {
    /** @param {keyof Costs} key */
    const least = (key) => Number(Math.min(...rounds.map((round) => round[key])).toFixed(1));
    return {
      checkout,
      micros: least('micros'),
      bytes: least('bytes'),
      promises: least('promises'),
      timers: least('timers'),
      listeners: least('listeners'),
      promoted: least('promoted'),
    };
  });
  if (args.json) process.stdout.write(`${JSON.stringify(rows)}\n`);
  else {
    for (const { checkout, micros, bytes, promises, timers, listeners, promoted } of rows) {
      const memory = `${Math.round(bytes)} bytes, ${Math.round(promoted)} of them promoted`;
      const costs = `${micros} µs CPU, ${memory}, ${promises} promises, ${timers} timers, ${listeners} listeners`;
      process.stdout.write(`${checkout}: ${costs} a call\n`);
    }
  }
}

function run(checkout) {
  const script = fileURLToPath(import.meta.url);
  const child = (flags, more) => {
    const options = [...flags, script, '--measure', checkout, '--calls', String(CALLS), ...more];
    return execFileSync(process.execPath, ['--expose-gc', ...options], { maxBuffer: 2 ** 28 }).toString();
  };
  const costs = JSON.parse(child(['--min-semi-space-size=256', '--max-semi-space-size=256'], []));
  const [, traced] = child(['--trace-gc-nvp'], ['--promoted']).split(MARK);
  const promoted = [...traced.matchAll(/ promoted=(\d+)/g)].reduce((sum, [, bytes]) => sum + Number(bytes), 0);
  return { ...costs, promoted: promoted / (PROMOTED_CALLS * CALLS) };
}

/** Between two of these is the garbage collector's trace of what is measured. */
const MARK = '=====';
const PROMOTED_CALLS = 8;

// --- child -----------------------------------------------------------------------------------------------------------

async function measure(checkout) {
  const serve = newBalancer(checkout);
  const bare = (req, res) => {
    req.on('data', () => undefined);
    req.on('end', () => {
      res.writeHead(200, ['Content-Type', 'application/json', 'Content-Length', '2']);
      res.end(BODY);
    });
  };
  for (let i = 0; i < 4; i += 1) {
    await drive(bare, CALLS);
    await drive(serve, CALLS);
  }
  if (args.profile !== undefined) return void (await drive(serve, CALLS * Number(args.profile)));
  if (args.promoted) {
    // What a full collection has promoted must not keep what comes later.
    globalThis.gc?.();
    globalThis.gc?.();
    process.stdout.write(MARK);
    await drive(serve, PROMOTED_CALLS * CALLS);
    process.stdout.write(MARK);
    process.exit();
  }
  const micros = [];
  for (let i = 0; i < 4; i += 1) micros.push((await cpu(serve)) - (await cpu(bare)));
  const ours = await objects(serve);
  const base = await objects(bare);
  const counted = Object.fromEntries(Object.entries(ours).map(([key, value]) => [key, value - base[key]]));
  process.stdout.write(`${JSON.stringify({ micros: Math.min(...micros), ...counted })}\n`);
  process.exit();
}

async function cpu(handle) {
  globalThis.gc?.();
  const before = process.cpuUsage();
  await drive(handle, CALLS);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / CALLS;
}

async function objects(handle) {
  const calls = Math.min(CALLS, 2000);
  globalThis.gc?.();
  const heap = process.memoryUsage().heapUsed;
  await drive(handle, calls);
  const bytes = (process.memoryUsage().heapUsed - heap) / calls;

  const made = { PROMISE: 0, Timeout: 0 };
  const init = (_id, type) => {
    if (type in made) made[type] += 1;
  };
  const hook = createHook({ init }).enable();
  const listening = countListeners();
  await drive(handle, calls);
  hook.disable();
  const listeners = listening() / calls;
  return { bytes, promises: made.PROMISE / calls, timers: made.Timeout / calls, listeners };
}

function countListeners() {
  const { addEventListener } = EventTarget.prototype;
  const { on } = ServerResponse.prototype;
  let added = 0;
  EventTarget.prototype.addEventListener = function counted(...rest) {
    added += 1;
    return addEventListener.apply(this, rest);
  };
  const counting = {
    /** @param {Parameters<typeof on>} rest */
    on(...rest) {
      added += 1;
      return on.apply(this, rest);
    },
  };
  Object.assign(ServerResponse.prototype, counting);
  return () => {
    Object.assign(EventTarget.prototype, { addEventListener });
    Reflect.deleteProperty(ServerResponse.prototype, 'on');
    return added;
  };
}

/** Requests of so many clients, each of which sends its next when it has its answer. */
async function drive(handle, calls) {
  let left = calls;
  await Promise.all(
    Array.from({ length: CLIENTS }, () => {
      const socket = new Client();
      return new Promise((resolve) => {
        const next = () => {
          if (left === 0) return resolve(undefined);
          left -= 1;
          socket.send(handle, next);
        };
        setImmediate(next);
      });
    }),
  );
}

/** The connection of one client, as far as Node's HTTP server uses it. */
class Client extends Writable {
  remoteAddress = '127.0.0.1';

  constructor() {
    super({ write: (_chunk, _encoding, done) => done(), writev: (_chunks, done) => done() });
  }

  send(handle, answered) {
    const socket = asSocket(this);
    const req = new IncomingMessage(socket);
    Object.assign(req, { method: 'POST', url: '/invoke/fn1', httpVersionMajor: 1, httpVersionMinor: 1 });
    Object.assign(req, { httpVersion: '1.1', rawHeaders: RAW_HEADERS, headers: HEADERS });
    const res = new ServerResponse(req);
    res.assignSocket(socket);
    // As Node does it when an answer is complete.
    res.on('finish', () => {
      res.detachSocket(socket);
      if (!req.readableEnded) /** @type {{ _dump(): void }} */ (/** @type {unknown} */ (req))._dump();
      process.nextTick(() => {
        res.emit('close');
        setImmediate(answered);
      });
    });
    handle(req, res);
    req.push(BODY);
    req.complete = true;
    req.push(null);
  }
}

/**
 * @param {unknown} client
 * @returns {import('node:net').Socket}
 */
function asSocket(client) {
  return /** @type {import('node:net').Socket} */ (client);
}

function newBalancer(checkout) {
  const require = createRequire(path.join(checkout, 'packages/lb-agent/package.json'));
  const dist = path.join(checkout, 'packages/lb-agent/dist');
  const { CallTemplate, systemClock: clock } = require('@fnfleet/core');
  const { newCorsPolicy, openGuard } = require('@fnfleet/http');
  const { placers } = require('@fnfleet/placement');
  const { offerCall, encodeClientMessage } = require('@fnfleet/protocol');
  const exported = require('@fnfleet/lb-agent');
  // Older checkouts have another name for the one, and the other at the top.
  const newLbAgent = exported.newLbAgent ?? Reflect.get(exported, 'newLBAgent');
  const [frontDoor = ''] = ['http/front-door.js', 'front-door.js'].filter((name) => existsSync(path.join(dist, name)));
  const { FrontDoor } = require(path.join(dist, frontDoor));

  const empty = { config: {}, annotations: {}, shape: '', createdAt: undefined, updatedAt: undefined };
  const app = { ...empty, id: '01KB0000000000000000000APP', name: 'app', syslogUrl: '', config: { LEVEL: 'info' } };
  const fn = {
    ...{ ...empty, id: '01KB00000000000000000000FN', appId: app.id, name: 'f', image: 'registry.example/team/f:1' },
    ...{ memoryMb: 128, timeoutSeconds: 30, idleTimeoutSeconds: 30 },
  };
  const template = new CallTemplate(app, fn);
  const instant = Date.now();
  const report = {
    ...{ success: true, callId: '', errorCode: 0, errorText: '', errorUser: false, image: '' },
    ...{ createdAt: instant, startedAt: instant, completedAt: instant, schedulerNs: 5e4, executionNs: 2e5 },
    ...{ imagePullWaitNs: 0, containerPrepareNs: 0, containerCreateNs: 0, containerInitNs: 0 },
  };
  const start = { kind: 'resultStart', status: 200, headers: [['Content-Type', 'application/json']] };

  class Stream {
    constructor(handler) {
      this.handler = handler;
    }
    send(message) {
      this.bytes = encodeClientMessage(message);
      return true;
    }
    halfClose() {
      setImmediate(answer, this.handler);
    }
    pause() {}
    resume() {}
    cancel() {}
    release() {}
  }
  function answer(handler) {
    handler.onMessage({ kind: 'started' });
    handler.onMessage(start);
    handler.onMessage({ kind: 'data', data: BODY, eof: true });
    handler.onMessage({ kind: 'finished', report });
    handler.onEnd({ code: 0, details: '', mayHaveArrived: true, startAckMode: 'confirmed', lost: undefined });
  }
  const engaging = (address) => ({ address, engage: (_options, handler) => new Stream(handler) });
  const runners = ['10.0.0.1:9190', '10.0.0.2:9190'].map((address) => ({
    address,
    channel: engaging(address),
    tryCall(call, signal) {
      return offerCall(call, this.channel, signal);
    },
    status: () => Promise.reject(new Error('not here')),
    close: async () => undefined,
  }));
  const list = { runners };
  const pool = { runners: () => list, close: async () => undefined };
  const placer = placers.get('warm-first').create({ random: Math.random, clock });
  const door = new FrontDoor({
    agent: newLbAgent(pool, placer, {}),
    lookup: {
      known: () => template,
      byId: async () => template,
      byTrigger: async () => ({ template, triggerId: 't' }),
      close: async () => {},
    },
    cors: newCorsPolicy([], []),
    guard: openGuard({ allowedHosts: [], corsOrigins: [] }),
    maxRequestBytes: 0,
    requestIdHeader: '',
  });
  return (req, res) => door.serve(req, res);
}

if (args.measure !== undefined) await measure(args.measure);
else compare();
