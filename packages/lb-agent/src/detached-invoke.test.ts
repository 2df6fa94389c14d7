import { FnError, LONG_AGO, PeerError, RecordedMetrics, systemClock } from '@fnfleet/core';
import { FakeRunner, reportOf } from '@fnfleet/placement';
import type { LbCall } from './call/lb-call.js';
import { type FleetOptions, TestFleet } from './test-kit/test-fleet.js';

const metrics = RecordedMetrics.install();
const DETACHED = { 'Fn-Invoke-Type': 'detached' };

let runner: FakeRunner;
let fleet: TestFleet;
let ended: Promise<LbCall>;

async function start(options: FleetOptions = {}): Promise<void> {
  const end = Promise.withResolvers<LbCall>();
  ended = end.promise;
  fleet = await TestFleet.start([runner], { ...options, callListeners: [{ afterCall: end.resolve }] });
}

beforeEach(() => {
  metrics.reset();
  runner = new FakeRunner('r1');
});
afterEach(() => fleet.close());

it('http-api 89, protocol 78: the client gets its response when the function starts, without its output', async () => {
  const functionEnds = Promise.withResolvers<void>();
  runner.does(async (call) => {
    await runner.readBody(call);
    call.response.writeHead(202, []);
    await functionEnds.promise;
    call.response.write(Buffer.from('output'));
    return { kind: 'finished', report: reportOf(call) };
  });
  await start();

  const answer = await fleet.send('/invoke/fn1', { headers: DETACHED, body: 'in' });

  expect(answer).toMatchObject({ status: 202, body: '', headers: { 'content-length': '0' } });
  expect(answer.headers['fn-call-id']).toBe(runner.offered[0]?.model.id);
  expect(runner.offered[0]?.model).toMatchObject({ type: 'detached', status: 'running', config: { FN_TYPE: 'sync' } });
  functionEnds.resolve();
  expect((await ended).model.status).toBe('success');
});

it('http-api 91, protocol 79: continues without its client, up to its own deadline', async () => {
  const clientLeft = Promise.withResolvers<void>();
  let abortedByClient = true;
  runner.does(async (call, signal) => {
    const body = runner.readBody(call);
    call.response.writeHead(202, []);
    await clientLeft.promise;
    abortedByClient = signal.aborted;
    await body;
    return { kind: 'finished', report: reportOf(call) };
  });
  const before = systemClock.now();
  await start({ env: { FN_EXECUTION_HEADROOM: '1000', FN_DETACHED_PLACER_TIMEOUT_MSECS: '2000' } });

  const client = new AbortController();
  await fleet.send('/invoke/fn1', { headers: DETACHED, body: 'the whole body', signal: client.signal });
  await fleet.hangUp();
  clientLeft.resolve();

  const { model, deadlineAt = LONG_AGO } = await ended;
  expect(model.status).toBe('success');
  expect(abortedByClient).toBe(false);
  expect(runner.bodies).toEqual([Buffer.from('the whole body')]);
  // placing 2 s, function 30 s, headroom 1 s
  expect(deadlineAt - before).toBeGreaterThanOrEqual(33_000);
  expect(deadlineAt - before).toBeLessThan(43_000);
});

it('http-api 90: fails if the runner does not support it', async () => {
  const message = 'Detach call functions are not supported on this server';
  runner.fails(new PeerError(501, message, 'platform'));
  await start();
  const answer = await fleet.send('/invoke/fn1', { headers: DETACHED });
  expect(answer).toMatchObject({ status: 501, body: `${JSON.stringify({ message })}\n` });
});

it('http-api 91, protocol 80: fails if all runners are busy for its whole placement time', async () => {
  runner.refuses();
  await start({ env: { FN_DETACHED_PLACER_TIMEOUT_MSECS: '30' } });
  const answer = await fleet.send('/invoke/fn1', { headers: DETACHED, body: 'in' });
  expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '15' } });
});

it('a failure after the start no longer affects the client', async () => {
  runner.does(async (call) => {
    call.response.writeHead(202, []);
    return { kind: 'failed', blame: 'function', error: new FnError('functionFailed') };
  });
  await start();
  expect(await fleet.send('/invoke/fn1', { headers: DETACHED })).toMatchObject({ status: 202, body: '' });
  expect((await ended).model).toMatchObject({ status: 'error', error: 'function failed' });
  expect(metrics.sum('errors')).toBe(1);
});

it('success of a runner that never confirmed the start counts as started', async () => {
  runner.does(async (call) => ({ kind: 'finished', report: reportOf(call) }));
  await start();
  expect(await fleet.send('/invoke/fn1', { headers: DETACHED })).toMatchObject({ status: 202, body: '' });
});

it('a drain waits for it, although its client has already been answered', async () => {
  const functionEnds = Promise.withResolvers<void>();
  runner.does(async (call) => {
    call.response.writeHead(202, []);
    await functionEnds.promise;
    return { kind: 'finished', report: reportOf(call) };
  });
  await start();
  await fleet.send('/invoke/fn1', { headers: DETACHED });

  let drained = false;
  const draining = fleet.server.drain({ graceMs: 5000 }).then((result) => {
    drained = true;
    return result;
  });
  for (let i = 0; i < 20; i += 1) await new Promise((resolve) => setImmediate(resolve));
  expect(drained).toBe(false);
  expect(runner.closed).toBe(false);
  functionEnds.resolve();
  expect(await draining).toBe('drained');
  expect(runner.closed).toBe(true);
});
