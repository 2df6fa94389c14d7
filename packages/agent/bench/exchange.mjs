/**
 * The cost of a warm call on the agent's side of the function's socket: the same requests through undici alone, through the agent's
 * own client alone, and through getCall() and submit(). Each function is a process of its own that does nothing.
 *
 *   node packages/agent/bench/exchange.mjs [calls] [calls in flight] [bytes of the request] [bytes of the answer]
 */
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { agentSettings, fromModelAndInput, newAgent, withDeadline, withSignal, withWriter } from '@fnfleet/agent';
import { completeBody, later, NO_TRACE, readSettings, systemClock, wallAt } from '@fnfleet/core';
import { HealthState } from '@fnfleet/drivers';
import { Client } from 'undici';
import { FunctionConnection } from '../dist/exchange/function-connection.js';

const calls = Number(process.argv[2] ?? 20_000);
const inFlight = Number(process.argv[3] ?? 1);
const answerBytes = process.argv[5] ?? '5';
const payload = Buffer.alloc(Number(process.argv[4] ?? 16), 'x');

/**
 * One loop of calls for each of `callers`, all at the same time.
 * @typedef {{ callers: (() => Promise<unknown>)[], close: () => Promise<void> }} Way
 */

/** @type {[name: string, setUp: () => Promise<Way>][]} */
const WAYS = [
  ['undici alone', undiciAlone],
  ['own client alone', ownAlone],
  ['getCall + submit', throughAgent],
  ['undici alone', undiciAlone],
  ['own client alone', ownAlone],
  ['getCall + submit', throughAgent],
];
const results = [];
for (const [name, setUp] of WAYS) {
  const { callers, close } = await setUp();
  await run(callers, Math.ceil(calls / 5));
  results.push({ what: name, ...(await run(callers, calls)) });
  await close();
}
for (const { what, perSecond, micros, cpuMicros } of results) {
  const figures = [`${perSecond.toFixed(0)} calls/s`, `${micros.toFixed(1)} µs`, `${cpuMicros.toFixed(1)} µs of CPU`];
  process.stdout.write(`${what.padEnd(18)}${figures.map((figure) => figure.padStart(20)).join('')}\n`);
}

/**
 * Every loop works through its share, one call after another.
 * @param {Way['callers']} callers
 * @param {number} total calls
 */
async function run(callers, total) {
  const cpu = process.cpuUsage();
  const from = performance.now();
  const share = Math.ceil(total / inFlight);
  await Promise.all(
    callers.map(async (call) => {
      for (let i = 0; i < share; i += 1) await call();
    }),
  );
  const micros = ((performance.now() - from) * 1000) / (share * inFlight);
  const used = process.cpuUsage(cpu);
  return { micros, perSecond: 1e6 / micros, cpuMicros: (used.user + used.system) / (share * inFlight) };
}

async function undiciAlone() {
  const functions = await Promise.all(Array.from({ length: inFlight }, startFunction));
  const clients = functions.map(
    ({ socketPath }) => new Client('http://localhost', { socketPath, keepAliveTimeout: 1000 }),
  );
  const headers = ['Content-Type', 'application/json', 'X-Request', 'one', 'Fn-Call-Id', 'x', 'Fn-Deadline', 'y'];
  return {
    callers: clients.map(
      (client) => () =>
        new Promise((resolve, reject) => {
          client.dispatch(
            { method: 'POST', path: '/call', headers, body: payload },
            {
              onRequestStart() {},
              onResponseStart() {},
              onResponseData() {},
              onResponseEnd: () => resolve(undefined),
              onResponseError: (_, error) => reject(error),
            },
          );
        }),
    ),
    close: async () => {
      await Promise.all(clients.map((client) => client.close()));
      await Promise.all(functions.map((each) => each.stop()));
    },
  };
}

async function ownAlone() {
  const functions = await Promise.all(Array.from({ length: inFlight }, startFunction));
  const clients = functions.map(
    ({ socketPath }) =>
      new FunctionConnection(
        (onread) => connect({ path: socketPath, onread }),
        { maxRequestHeadBytes: 0, maxBodyBytes: 0, maxHeaderBytes: 0 },
        systemClock,
      ),
  );
  const response = { writeHead() {}, write: () => true, onDrain() {} };
  const turns = { callersTurn() {}, functionsTurn() {} };
  const { signal } = new AbortController();
  const shared = {
    ...{ model: model(), response, signal, trace: NO_TRACE, beforeStart: undefined, deadlineAt: undefined },
    ...{ logSink: { write() {}, close() {} }, extensions: {}, slotKey: '', networkDisabled: false },
    timings: {
      ...{ imagePullWaitNs: 0, containerPrepareNs: 0, containerCreateNs: 0, containerInitNs: 0 },
      ...{ schedulerNs: 0, executionNs: 0 },
    },
  };
  return {
    callers: clients.map((client) => async () => {
      const deadline = wallAt(later(systemClock.now(), 30_000), systemClock);
      const call = { ...shared, body: completeBody(payload) };
      const exchange = client.exchange(call, { complete: deadline, streamed: deadline }, turns);
      const { error } = await exchange.end;
      if (error) throw error;
    }),
    close: async () => {
      for (const client of clients) client.close();
      await Promise.all(functions.map((each) => each.stop()));
    },
  };
}

async function throughAgent() {
  const agent = newAgent({ driver: forkingDriver(), settings: readSettings(agentSettings, {}) });
  const writer = { writeHead() {}, write: () => true, onDrain() {} };
  const one = async () => {
    const call = await agent.getCall(
      fromModelAndInput(model(), completeBody(payload)),
      withWriter(writer),
      withSignal(new AbortController().signal),
      withDeadline(later(systemClock.now(), 60_000)),
    );
    await agent.submit(call);
  };
  return { callers: Array.from({ length: inFlight }, () => one), close: () => agent.close() };
}

/** @returns {import('@fnfleet/core').Call} */
function model() {
  return {
    id: '01HZZZZZZZZZZZZZZZZZZZZZZZ',
    image: 'bench',
    type: 'sync',
    fnId: '01FNFNFNFNFNFNFNFNFNFNFNFN',
    appId: '01APAPAPAPAPAPAPAPAPAPAPAP',
    appName: 'bench',
    triggerId: '',
    method: 'POST',
    url: 'http://localhost/invoke/x',
    headers: { 'Content-Type': ['application/json'], 'X-Request': ['one'] },
    config: { FN_MEMORY: '128', FN_TYPE: 'sync', FN_FN_ID: 'x', FN_APP_ID: 'y' },
    annotations: {},
    syslogUrl: '',
    timeoutSeconds: 30,
    idleTimeoutSeconds: 30,
    memoryMb: 1,
    tmpfsMb: 0,
    cpuMillis: 0,
    status: 'queued',
    createdAt: systemClock.wallNow(),
    startedAt: undefined,
    completedAt: undefined,
  };
}

/** Makes a process instead of a container. @returns {import('@fnfleet/drivers').Driver} */
function forkingDriver() {
  return {
    name: 'bench',
    capabilities: { pause: false, isolation: false, slotKeyExtension: '' },
    ready: Promise.resolve(),
    health: new HealthState(),
    prepareImage: async () => ({ pullNs: 0, release: () => undefined }),
    create: async (spec) => {
      const { socketPath, exited, stop } = await startFunction();
      return {
        id: spec.id,
        socketPath,
        connect: (onread) => connect({ path: socketPath, ...(onread && { onread }) }),
        start: async () => undefined,
        listening: async () => undefined,
        pause: async () => undefined,
        resume: async () => undefined,
        wait: () => exited,
        close: stop,
      };
    },
    close: async () => undefined,
  };
}

async function startFunction() {
  const directory = mkdtempSync(join(tmpdir(), 'bench-'));
  const socketPath = join(directory, 'lsnr.sock');
  const child = fork(new URL('answer.mjs', import.meta.url), [socketPath, answerBytes]);
  /** @type {Promise<import('@fnfleet/drivers').ExitResult>} */
  const exited = new Promise((resolve) => {
    child.once('exit', (code) => resolve({ exitCode: code ?? 137, outOfMemory: false }));
  });
  await new Promise((resolve) => child.once('message', resolve));
  const stop = async () => {
    child.kill('SIGKILL');
    await exited;
    rmSync(directory, { recursive: true, force: true });
  };
  return { socketPath, exited, stop };
}
