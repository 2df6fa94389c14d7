import { once } from 'node:events';
import { request } from 'node:http';
import { FnError, PeerError, RecordedMetrics, wallMs } from '@fnfleet/core';
import { FakeRunner, type FleetStatus } from '@fnfleet/placement';
import { type CallRecord, type MessageQueue, openSqliteQueue, type RetryPolicy } from '@fnfleet/queue';
import { queuesOf, untilEnded, untilRecord } from '../test-kit/queued-calls.js';
import { CONTENTS, TestFleet } from '../test-kit/test-fleet.js';
import { hasRoom } from './async-consumer.js';
import { asyncMessage } from './call-queues.js';

const metrics = RecordedMetrics.install();
let queue: MessageQueue;
let fleet: TestFleet | undefined;

beforeEach(async () => {
  queue = await openSqliteQueue({ path: ':memory:', bounds: { maxMessages: 3 } });
});
afterEach(async () => {
  await fleet?.close();
  fleet = undefined;
  await queue.close();
});

const IMPATIENT: RetryPolicy = { attempts: 2, backoffMs: 0, maxBackoffMs: 0, retryOn: ['function', 'timeout'] };
const CAT = Buffer.from('cat');
const HEAD = JSON.stringify({ method: 'POST', url: 'http://lb/invoke/fn1', headers: { 'X-A': ['1'] }, created_at: 1 });

async function start(runner: FakeRunner, env: Record<string, string> = {}, contents = CONTENTS): Promise<TestFleet> {
  fleet = await TestFleet.start([runner], {
    contents,
    queues: queuesOf(queue),
    env: { FN_ASYNC_CONSUMERS: '4', ...env },
  });
  return fleet;
}

const push = (callId: string, more: object = {}) =>
  queue.push({ callId, fnId: 'fn1', head: HEAD, body: Buffer.from('cat'), policy: IMPATIENT, ...more });

const ended = (callId: string) => untilEnded(queue, callId);
const until = (callId: string, isSo: (record: CallRecord) => boolean) => untilRecord(queue, callId, isSo);

const invoke = (fleet: TestFleet, headers: Record<string, string> = {}, body: string | undefined = 'cat') =>
  fleet.send('/invoke/fn1', { headers: { 'fn-invoke-type': 'async', ...headers }, body });

describe('a caller of an asynchronous call', () => {
  it('is answered when the call is in the queue, and finds its result there', async () => {
    const runner = new FakeRunner('r').finishes({ status: 200, headers: [['X-B', '2']], body: 'meow' });
    const answer = await invoke(await start(runner), { 'x-a': '1' });
    const { call_id: id, ...rest } = JSON.parse(answer.body);
    expect([answer.status, rest]).toEqual([202, { duplicate: false }]);
    expect(answer.headers).toMatchObject({
      'fn-call-id': id,
      location: `/v2/fns/fn1/calls/${id}`,
      'content-type': 'application/json; charset=utf-8',
    });

    expect(await ended(id)).toMatchObject({ state: 'success', attempts: 1 });
    expect(runner.bodies.map(String)).toEqual(['cat']);
    const { model } = runner.offered[0] as (typeof runner.offered)[number];
    expect(model).toMatchObject({
      id,
      type: 'async',
      fnId: 'fn1',
      method: 'POST',
      headers: { 'X-A': ['1'], 'Fn-Attempt': ['1'] },
    });
    const result = await queue.result(id);
    expect(Buffer.from(result?.body ?? []).toString()).toBe('meow');
    expect(JSON.parse(result?.head ?? '')).toEqual({ status: 200, headers: { 'X-B': ['2'] }, size: 4 });
  });

  it('gets the same call for the same Idempotency-Key', async () => {
    const fleet = await start(new FakeRunner('r').finishes());
    const first = JSON.parse((await invoke(fleet, { 'idempotency-key': 'order-7' })).body);
    const again = await invoke(fleet, { 'idempotency-key': 'order-7' });
    expect([again.status, JSON.parse(again.body)]).toEqual([202, { call_id: first.call_id, duplicate: true }]);
    expect(again.headers['fn-call-id']).toBe(first.call_id);
  });

  it('may let the call wait before it starts, in seconds', async () => {
    const fleet = await start(new FakeRunner('r').finishes());
    const pushed = jest.spyOn(queue, 'push');
    const { body } = await invoke(fleet, { 'fn-delay': '2592000' });
    expect(await queue.get(JSON.parse(body).call_id)).toMatchObject({ state: 'delayed' });
    await invoke(fleet, { 'fn-delay': '0.0015' });
    await invoke(fleet, { 'fn-delay': '' });
    expect(pushed.mock.calls.map(([{ delayMs }]) => delayMs)).toEqual([2_592_000_000, 2, undefined]);
  });

  it.each(['-1', '1e3', '2592001', '9'.repeat(1_000), 'soon', '1, 2', '0x1', '.5', '5s'])(
    'is refused for a wait of %s, and the next one is taken',
    async (delay) => {
      const fleet = await start(new FakeRunner('r').finishes());
      const answer = await invoke(fleet, { 'fn-delay': delay });
      expect([answer.status, JSON.parse(answer.body).message]).toEqual([
        400,
        'Fn-Delay is not valid. It should be a number of seconds from 0 to 2592000',
      ]);
      expect(await queue.stats()).toMatchObject({ ready: 0, delayed: 0 });
      expect((await invoke(fleet)).status).toBe(202);
    },
  );

  it('cannot forge the number of the attempt', async () => {
    const runner = new FakeRunner('r').finishes();
    const { body } = await invoke(await start(runner), { 'fn-attempt': '7' });
    await ended(JSON.parse(body).call_id);
    expect(runner.offered[0]?.model.headers['Fn-Attempt']).toEqual(['1']);
  });

  it.each`
    what                             | env                               | body     | status | message
    ${'a body over the limit'}       | ${{ FN_MQ_MAX_BODY: '2' }}        | ${'cat'} | ${413} | ${'Content-Length too large for this server, 3 > max 2'}
    ${'more than there is room for'} | ${{ FN_ASYNC_HELD_BYTES: '100' }} | ${'cat'} | ${202} | ${''}
  `('is answered $status for $what, and the next one 202', async ({ env, body, status, message }) => {
    const fleet = await start(new FakeRunner('r').finishes(), env);
    const answer = await invoke(fleet, {}, body);
    expect(answer.status).toBe(status);
    if (message !== '') expect(JSON.parse(answer.body).message).toBe(message);
    expect((await invoke(fleet, {}, 'ca')).status).toBe(202);
  });

  it('that has announced a body over the limit is refused before it gets leave to send it', async () => {
    const fleet = await start(new FakeRunner('r').finishes(), { FN_MQ_MAX_BODY: '2' });
    const told = async (length: number) => {
      const headers = { 'Fn-Invoke-Type': 'async', Expect: '100-continue', 'Content-Length': length };
      const sent = request(`${fleet.url}/invoke/fn1`, { method: 'POST', headers });
      const [said] = await Promise.race([
        once(sent, 'continue').then(() => ['leave']),
        once(sent, 'response').then(([answer]) => [answer.statusCode, answer.headers.connection]),
      ]);
      sent.on('error', () => undefined).destroy();
      return said;
    };
    expect([await told(3), await told(2)]).toEqual([413, 'leave']);
  });

  it('is refused while too many bodies are held, and taken when there is room', async () => {
    const gate = Promise.withResolvers<void>();
    const slow = {
      ...queuesOf(queue),
      enqueue: () => gate.promise.then(() => ({ callId: 'x', duplicate: false })),
    };
    fleet = await TestFleet.start([new FakeRunner('r').finishes()], {
      queues: slow,
      env: { FN_ASYNC_HELD_BYTES: '70000' },
    });
    // Either may arrive first.
    const both = [invoke(fleet), invoke(fleet)];
    const refused = await Promise.race(both);
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '5']);
    gate.resolve();
    expect((await Promise.all(both)).map(({ status }) => status).sort()).toEqual([202, 503]);
    expect((await invoke(fleet)).status).toBe(202);
  });

  it('is refused with 503 when the queue is full', async () => {
    const fleet = await start(new FakeRunner('r'), { FN_ASYNC_CONSUMERS: '0' });
    for (let n = 0; n < 3; n += 1) expect((await invoke(fleet)).status).toBe(202);
    const full = await invoke(fleet);
    expect([full.status, full.headers['retry-after']]).toEqual([503, '15']);
  });

  it('is refused if no queue confirms', async () => {
    const enqueue = () => Promise.reject(new FnError('queueUnavailable'));
    fleet = await TestFleet.start([], { queues: { ...queuesOf(queue), enqueue } });
    expect((await invoke(fleet)).status).toBe(503);
  });

  it('is told if the function does not exist, and nothing is accepted', async () => {
    const fleet = await start(new FakeRunner('r').finishes());
    const answer = await fleet.send('/invoke/none', { headers: { 'fn-invoke-type': 'async' }, body: 'cat' });
    expect(answer.status).toBe(404);
    expect((await queue.stats()).ready).toBe(0);
  });
});

describe('the metrics of a balancer', () => {
  it('count how attempts end', async () => {
    metrics.reset();
    const runner = new FakeRunner('r').fails(new FnError('functionFailed'), 'function').finishes();
    const fleet = await start(runner);
    await push('c1');
    await push('c2', { fnId: 'gone' });
    await Promise.all([ended('c1'), ended('c2')]);
    await fleet.close();
    for (const end of ['bury', 'retry', 'complete']) {
      expect([end, ...metrics.values('lb_async_attempts', { end })]).toEqual([end, 1]);
    }
  });

  it('count the calls that it has handed in and refused, and those that run until they have ended', async () => {
    metrics.reset();
    const runner = new FakeRunner('r').finishes();
    const fleet = await start(runner, { FN_MQ_MAX_BODY: '4' });
    const { body } = await invoke(fleet);
    await invoke(fleet, {}, 'too much');
    await ended(JSON.parse(body).call_id);
    expect(metrics.sum('lb_async_accepted')).toBe(1);
    expect(metrics.values('lb_async_refused', { status: 413 })).toEqual([1]);
    expect(metrics.sum('lb_async_refused')).toBe(1);
    await fleet.close();
    expect(metrics.values('lb_async_running').filter((change) => change !== 0)).toEqual([1, -1]);
  });
});

describe('an asynchronous call', () => {
  it.each`
    what                                    | script                                                                               | state        | attempts | failures | reason
    ${'the function answers 502'}           | ${(r: FakeRunner) => r.fails(new FnError('functionFailed'), 'function')}             | ${'dead'}    | ${2}     | ${2}     | ${'functionFailed'}
    ${'a runner reports such an answer'}    | ${(r: FakeRunner) => r.fails(new PeerError(502, 'boom', 'function'), 'function')}    | ${'dead'}    | ${2}     | ${2}     | ${'functionFailed'}
    ${'the function passes its deadline'}   | ${(r: FakeRunner) => r.fails(new FnError('callTimeout'), 'function')}                | ${'dead'}    | ${2}     | ${2}     | ${'callTimeout'}
    ${'the function answers status 599'}    | ${(r: FakeRunner) => r.finishes({ status: 599 })}                                    | ${'dead'}    | ${2}     | ${2}     | ${'functionFailed'}
    ${'the function answers status 404'}    | ${(r: FakeRunner) => r.finishes({ status: 404 })}                                    | ${'success'} | ${1}     | ${0}     | ${undefined}
    ${'the call can never run'}             | ${(r: FakeRunner) => r.fails(new FnError('resourceTooBig'), 'caller')}               | ${'dead'}    | ${1}     | ${1}     | ${'resourceTooBig'}
    ${'two runners are lost, then it runs'} | ${(r: FakeRunner) => r.fails(new Error('lost')).fails(new Error('lost')).finishes()} | ${'success'} | ${3}     | ${0}     | ${undefined}
    ${'no runner takes it at first'}        | ${(r: FakeRunner) => r.refuses().finishes()}                                         | ${'success'} | ${1}     | ${0}     | ${undefined}
  `('agent-and-docker 87: ends as $state when $what', async ({ script, state, attempts, failures, reason }) => {
    await start(script(new FakeRunner('r')));
    await push('c1');
    const record = await ended('c1');
    expect(record).toMatchObject({ state, attempts, failures });
    expect(record.reason?.code).toBe(reason);
  });

  it.each`
    what                         | ends                                                                                           | state
    ${'succeeds'}                | ${() => ({ kind: 'finished' })}                                                                | ${'success'}
    ${'fails'}                   | ${() => ({ kind: 'failed', blame: 'function', error: new FnError('functionFailed') })}         | ${'dead'}
    ${'never gets a whole body'} | ${() => ({ kind: 'failed', blame: 'caller', error: new PeerError(408, 'stalled', 'caller') })} | ${'dead'}
  `('that $what has the log of its last attempt', async ({ ends, state }) => {
    let attempts = 0;
    const runner = new FakeRunner('r').does(async (call) => {
      attempts += 1;
      call.response.writeHead(200, []);
      call.logged?.(`attempt ${attempts}\0\n`);
      return ends();
    });
    await start(runner);
    await push('c1');
    expect((await ended('c1')).state).toBe(state);
    expect(await queue.log('c1')).toBe(`attempt ${attempts}\uFFFD\n`);
  });

  it.each`
    what                           | headers
    ${'a line break in a header'}  | ${{ 'X-A': ['1\r\nX-B: 2'] }}
    ${'a space in a header name'}  | ${{ 'X A': ['1'] }}
    ${'a NUL in its second value'} | ${{ 'X-A': ['1', '\0'] }}
  `('with $what is dead at once, because of its caller, and no runner gets it', async ({ headers }) => {
    const runner = new FakeRunner('r').finishes();
    await start(runner);
    await push('c1', { head: JSON.stringify({ ...JSON.parse(HEAD), headers }) });
    expect(await ended('c1')).toMatchObject({ state: 'dead', attempts: 1, reason: { code: 'badRequest' } });
    await push('c2');
    expect(await ended('c2')).toMatchObject({ state: 'success' });
    expect(runner.attempts).toBe(1);
  });

  it('is not made from a request whose headers cannot be sent to a function', () => {
    const request = { id: 'c1', fnId: 'fn1', method: 'POST', url: '/', createdAt: wallMs(1) };
    expect(() => asyncMessage({ ...request, headers: { 'X-A': ['a\nb'] } }, CAT)).toThrow(
      'Bad request: header "X-A" cannot be sent over HTTP',
    );
    expect(asyncMessage({ ...request, headers: { 'X-A': ['Grüße\t✓'] } }, CAT)).toMatchObject({ callId: 'c1' });
  });

  it('is dead if its function does not exist any more', async () => {
    await start(new FakeRunner('r').finishes());
    await push('c1', { fnId: 'none' });
    expect(await ended('c1')).toMatchObject({ state: 'dead', reason: { code: 'fnNotFound' } });
  });

  it('keeps the first bytes of its response, and says how many there were', async () => {
    await start(new FakeRunner('r').finishes({ body: 'x'.repeat(100_000) }));
    await push('c1');
    await ended('c1');
    const result = await queue.result('c1');
    expect(result?.body.length).toBe(64 * 1024);
    expect(JSON.parse(result?.head ?? '')).toMatchObject({ size: 100_000 });
  });

  it('runs on although it is cancelled, and its end has no effect', async () => {
    const gate = Promise.withResolvers<void>();
    const runner = new FakeRunner('r').does(async (call) => {
      await gate.promise;
      call.response.writeHead(200, []);
      return { kind: 'failed', blame: 'runner', error: new Error('late') };
    });
    await start(runner);
    await push('c1');
    await until('c1', () => runner.attempts === 1);
    await queue.cancel('c1');
    gate.resolve();
    await fleet?.server.drain({ graceMs: 10_000 });
    expect(await until('c1', () => true)).toMatchObject({ state: 'cancelled' });
  });

  it('runs beside as many others of its function as the balancer may run, and not more', async () => {
    const gate = Promise.withResolvers<void>();
    const runner = new FakeRunner('r').does(async (call, signal) => {
      await gate.promise;
      return new FakeRunner('inner').finishes().tryCall(call, signal);
    });
    // Two of a function, and two that others may need.
    await start(runner, { FN_ASYNC_CONSUMERS: '4' });
    for (const id of ['c1', 'c2', 'c3']) await push(id);
    await until('c2', ({ state }) => state === 'running');
    expect(await queue.get('c3')).toMatchObject({ state: 'ready' });
    gate.resolve();
    expect(await ended('c3')).toMatchObject({ state: 'success', attempts: 1 });
  });

  it.each([
    ['another function hangs', 1],
    ['three other functions hang', 3],
  ])('starts although %s, whose calls came first', async (_, hanging) => {
    await queue.close();
    queue = await openSqliteQueue({ path: ':memory:' });
    const slow = Array.from({ length: hanging }, (_, at) => `slow${at}`);
    const { fns = [] } = CONTENTS;
    const contents = { ...CONTENTS, fns: [...fns, ...slow.map((id) => ({ ...fns[0], id, name: id }))] };
    const ended = new FakeRunner('inner').finishes();
    const runner = new FakeRunner('r').does((call, signal) =>
      call.model.fnId === 'fn1' ? ended.tryCall(call, signal) : new FakeRunner('inner').hangs().tryCall(call, signal),
    );
    for (let n = 0; n < 40; n += 1) await push(`h${n}`, { fnId: slow[n % hanging] });
    await start(runner, { FN_ASYNC_CONSUMERS: '8' }, contents);
    await until('h0', ({ state }) => state === 'running');
    for (const id of ['c1', 'c2', 'c3']) {
      await push(id);
      expect(await until(id, ({ endedAt }) => endedAt !== undefined)).toMatchObject({ state: 'success' });
    }
    expect((await queue.stats()).running).toBeGreaterThanOrEqual(3);
  });

  it('of a function that has its share starts as soon as another one of it has ended', async () => {
    await queue.close();
    queue = await openSqliteQueue({ path: ':memory:' });
    const gates = Array.from({ length: 8 }, () => Promise.withResolvers<void>());
    const runner = new FakeRunner('r').does(async (call, signal) => {
      await gates[Number(call.model.id.slice(1))]?.promise;
      return new FakeRunner('inner').finishes().tryCall(call, signal);
    });
    for (let n = 0; n < 8; n += 1) await push(`c${n}`);
    await start(runner);
    for (let n = 0; n < 8; n += 1) {
      // Two may run, and a reservation waits for calls of others: it would for 20 s.
      await until(`c${Math.min(7, n + 1)}`, ({ state }) => state === 'running');
      gates[n]?.resolve();
      await ended(`c${n}`);
    }
  });

  it('ends when its balancer drains; those that have not started stay in the queue', async () => {
    const gate = Promise.withResolvers<void>();
    const runner = new FakeRunner('r').does(async (call, signal) => {
      await gate.promise;
      return new FakeRunner('inner').finishes().tryCall(call, signal);
    });
    const { server } = await start(runner, { FN_ASYNC_CONSUMERS: '1' });
    await push('c1');
    await push('c2');
    await until('c1', () => runner.attempts === 1);
    const drained = server.drain({ graceMs: 10_000 });
    gate.resolve();
    expect(await drained).toBe('drained');
    expect(await queue.get('c1')).toMatchObject({ state: 'success' });
    expect(await queue.get('c2')).toMatchObject({ state: 'ready', attempts: 0 });
  });

  it('is run again if its balancer is closed while it runs', async () => {
    const runner = new FakeRunner('r').hangs();
    const { server } = await start(runner);
    await push('c1');
    await until('c1', () => runner.attempts === 1);
    await server.close();
    expect(await queue.get('c1')).toMatchObject({ failures: 0, history: [{ attempt: 1, end: 'retried' }] });
  });
});

describe('asynchronous calls', () => {
  const load = (used: number, idle = 0) => ({
    ...{
      instanceId: '',
      active: 0,
      waiting: 0,
      freeSlots: undefined,
      draining: false,
      degraded: false,
      degradedReason: '',
    },
    ...{ memoryUsedBytes: used, memoryIdleBytes: idle, memoryTotalBytes: 100, cpuUsedMillis: 0, cpuTotalMillis: 100 },
  });
  const runner = (more: object): FleetStatus['runners'][number] => ({
    ...{ address: 'r', state: 'ok', reason: undefined, cordoned: false, inFlight: 0, weight: 1, warmFunctions: 0 },
    ...{ load: load(0), identity: undefined },
    ...more,
  });

  it.each`
    when                                         | waiting | runners                                          | room
    ${'nothing is known about runners'}          | ${0}    | ${[]}                                            | ${true}
    ${'a sync call waits'}                       | ${1}    | ${[{}]}                                          | ${false}
    ${'79 % of the memory are used'}             | ${0}    | ${[{ load: load(79) }]}                          | ${true}
    ${'80 % of the memory are used'}             | ${0}    | ${[{ load: load(80) }]}                          | ${false}
    ${'idle containers use the memory'}          | ${0}    | ${[{ load: load(95, 50) }]}                      | ${true}
    ${'one of two runners is full'}              | ${0}    | ${[{ load: load(100) }, { load: load(10) }]}     | ${true}
    ${'the only runner that is not full drains'} | ${0}    | ${[{ load: load(100) }, { state: 'draining' }]}  | ${false}
    ${'the only runner is cordoned'}             | ${0}    | ${[{ cordoned: true }]}                          | ${false}
    ${'a runner reports nothing'}                | ${0}    | ${[{ load: load(100) }, { load: undefined }]}    | ${true}
    ${'80 % of the CPU are used'}                | ${0}    | ${[{ load: { ...load(0), cpuUsedMillis: 80 } }]} | ${false}
    ${'a runner has no limit for the CPU'}       | ${0}    | ${[{ load: { ...load(0), cpuTotalMillis: 0 } }]} | ${true}
  `('agent-and-docker 93: start is $room when $when', ({ waiting, runners, room }) => {
    const status = { waiting, inFlight: 0, pool: undefined, cordons: [], troubles: [], runners: runners.map(runner) };
    expect(hasRoom(status)).toBe(room);
  });

  it('wait while a call of a client waits', async () => {
    const runner = new FakeRunner('r').refuses();
    const fleet = await start(runner);
    const left = new AbortController();
    const waiting = fleet.send('/invoke/fn1', { body: 'sync', signal: left.signal }).catch(() => 'left');
    while (fleet.server.agent.fleetStatus()?.waiting !== 1) await new Promise((resolve) => setTimeout(resolve, 5));
    const before = await queue.stats();
    expect(before.running).toBe(0);
    left.abort();
    expect(await waiting).toBe('left');
  });
});
