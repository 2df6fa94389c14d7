import { FakeClock, type Timer } from '@fnfleet/core';
import { eventually } from '@fnfleet/testing';
import { err, TestApi } from '../test-kit/test-api.js';

const LONG_POLL_MS = 30_000;

/** Knows how often a reservation has begun to wait for a call. */
class WatchedClock extends FakeClock {
  waits = 0;

  override after(delayMs: number, callback: () => void): Timer {
    if (delayMs === LONG_POLL_MS) this.waits += 1;
    return super.after(delayMs, callback);
  }
}

let clock: WatchedClock;
let api: TestApi;
let appId: string;
let fnId: string;

beforeEach(async () => {
  clock = new WatchedClock();
  api = await TestApi.start({
    clock,
    env: {
      FN_MQ_URL: 'sqlite3://:memory:',
      FN_MQ_MAX_BODY: '1000',
      FN_MQ_MAX_CALLS: '3',
      // Nothing but the test asks the queue when time passes.
      FN_CALLBACK_CONSUMERS: '0',
    },
  });
  appId = await api.app('shop');
  fnId = await api.fn(appId, 'resize');
});
afterEach(() => api.close());

const enqueue = (id: string, more: object = {}) =>
  api.send('PUT', '/v2/runner/async', { id, fn_id: fnId, app_id: appId, payload: 'cat', ...more });
const record = async (id: string) => (await api.get(`/v2/fns/${fnId}/calls/${id}`)).body;

/** What a balancer gets when it asks, which it can only do for calls that are there. */
async function dequeue(): Promise<Record<string, unknown>> {
  const { status, body } = await api.get('/v2/runner/async');
  const [call, ...others] = body.calls as Record<string, unknown>[];
  expect([status, others]).toEqual([200, []]);
  return call as Record<string, unknown>;
}

/** Waits until the queue has nothing to offer now. */
async function isEmpty(): Promise<void> {
  const asked = dequeue();
  await untilWaiting();
  await clock.advance(LONG_POLL_MS);
  expect(await asked).toBeUndefined();
}

/** The queue has looked for a call, and waits for one. */
async function untilWaiting(): Promise<void> {
  const before = clock.waits;
  await eventually(() => expect(clock.waits).toBeGreaterThan(before));
}

describe('a balancer of Fn that hands in a call', () => {
  it('http-api 119: is answered 204 when it is in the queue, and nothing of its status counts', async () => {
    expect(await enqueue('c1', { status: 'running', priority: 1 })).toMatchObject({ status: 204, text: '' });
    expect(await record('c1')).toMatchObject({ id: 'c1', status: 'queued', type: 'async', priority: 1, attempts: 0 });
  });

  it.each`
    what                           | body                                                   | answer
    ${'half of a JSON'}            | ${'{"id":'}                                            | ${err(400, 'Invalid JSON')}
    ${'nothing'}                   | ${''}                                                  | ${err(400, 'Invalid JSON')}
    ${'a call without an id'}      | ${{ fn_id: 'f' }}                                      | ${err(400, 'Invalid JSON')}
    ${'a call without a function'} | ${{ id: 'c' }}                                         | ${err(400, 'Invalid JSON')}
    ${'a call without a priority'} | ${{ id: 'c', fn_id: 'f' }}                             | ${{ status: 204 }}
    ${'the priority 2'}            | ${{ id: 'c', fn_id: 'f', priority: 2 }}                | ${{ status: 204 }}
    ${'the priority 3'}            | ${{ id: 'c', fn_id: 'f', priority: 3 }}                | ${err(400, 'Invalid JSON')}
    ${'an id with a line break'}   | ${{ id: 'c\n', fn_id: 'f' }}                           | ${{ status: 400 }}
    ${'a header with a NUL'}       | ${{ id: 'c', fn_id: 'f', headers: { 'X-A': ['\0'] } }} | ${{ status: 400 }}
    ${'a delay below zero'}        | ${{ id: 'c', fn_id: 'f', delay: -1 }}                  | ${err(400, 'Invalid JSON')}
    ${'a payload over the limit'}  | ${{ id: 'c', fn_id: 'f', payload: 'x'.repeat(1001) }}  | ${{ status: 413 }}
  `('http-api 119: with $what is answered $answer.status, and the next call is taken', async ({ body, answer }) => {
    expect(await api.send('PUT', '/v2/runner/async', body)).toMatchObject(answer);
    expect((await enqueue('c1')).status).toBe(204);
  });

  it('http-api 119: is refused with 503 when the queue is full', async () => {
    for (const id of ['c1', 'c2', 'c3']) await enqueue(id);
    expect((await enqueue('c4')).status).toBe(503);
  });

  it('is told that the node has no queue', async () => {
    const other = await TestApi.start();
    const unsupported = err(400, 'Async functions are not supported on this server');
    expect(await other.send('PUT', '/v2/runner/async', { id: 'c', fn_id: 'f' })).toMatchObject(unsupported);
    expect(await other.post('/v2/runner/start', { id: 'c' })).toMatchObject(unsupported);
    await other.close();
  });
});

describe('a balancer of Fn that asks for a call', () => {
  it('http-api 120: gets one with all that it needs to run it', async () => {
    const more = { headers: { 'X-A': ['1'] }, url: 'http://lb/', priority: 1, created_at: '2026-01-24T10:00:00.123Z' };
    await enqueue('c1', { ...more, method: 'PUT', trigger_id: 't1' });
    await enqueue('c2');
    expect(await dequeue()).toMatchObject({
      ...more,
      ...{ id: 'c1', fn_id: fnId, app_id: appId, app_name: 'shop', trigger_id: 't1', method: 'PUT' },
      ...{ status: 'queued', type: 'async', image: 'img:1', payload: 'cat', timeout: 30, memory: 128 },
      config: { FN_TYPE: 'sync', FN_FN_ID: fnId, FN_APP_ID: appId, FN_MEMORY: '128' },
    });
    expect((await dequeue()).id).toBe('c2');
  });

  it('http-api 120: gets one of a machine whose clock is before 1970, and those behind it', async () => {
    await enqueue('c1', { created_at: '1969-12-31T23:00:00.000Z' });
    await enqueue('c2');
    expect(await dequeue()).toMatchObject({ id: 'c1', created_at: '1970-01-01T00:00:00.000Z' });
    expect((await dequeue()).id).toBe('c2');
  });

  it('http-api 120: waits for one up to 30 s, and gets an empty list', async () => {
    expect((await api.get('/v2/calls')).body).toEqual({ items: [] });
    const asked = api.get('/v2/runner/async');
    await untilWaiting();
    await clock.advance(LONG_POLL_MS - 1);
    await clock.advance(1);
    expect(await asked).toMatchObject({ status: 200, text: '{"calls":[]}' });
  });

  it('http-api 120: gets one that is handed in while it waits', async () => {
    const asked = dequeue();
    await untilWaiting();
    await enqueue('c1');
    expect((await asked).id).toBe('c1');
  });

  it('http-api 123: gets higher priorities first, and within one those first that were handed in first', async () => {
    for (const [id, priority] of [
      ['c1', 0],
      ['c2', 2],
      ['c3', 2],
    ] as const)
      await enqueue(id, { priority });
    expect([(await dequeue()).id, (await dequeue()).id, (await dequeue()).id]).toEqual(['c2', 'c3', 'c1']);
  });

  it('http-api 124: gets a call when its delay is over, and others meanwhile', async () => {
    await enqueue('c1', { delay: 60 });
    await enqueue('c2');
    expect((await dequeue()).id).toBe('c2');
    expect(await record('c1')).toMatchObject({ status: 'delayed' });
    await isEmpty();
    await clock.advance(30_000);
    expect((await dequeue()).id).toBe('c1');
  });

  it('http-api 125: gets a call again of which no start was reported for 60 s, at its place', async () => {
    for (const id of ['c1', 'c2', 'c3']) await enqueue(id);
    const first = await dequeue();
    const second = await dequeue();
    expect((await api.post('/v2/runner/start', second)).status).toBe(204);
    await clock.advance(60_000);
    expect([first.id, second.id, (await dequeue()).id, (await dequeue()).id]).toEqual(['c1', 'c2', 'c1', 'c3']);
  });
});

describe('a balancer of Fn that starts a call', () => {
  it('http-api 121: takes it out of the queue for good', async () => {
    await enqueue('c1');
    const call = await dequeue();
    expect(await api.post('/v2/runner/start', call)).toMatchObject({ status: 204, text: '' });
    expect(await record('c1')).toMatchObject({ status: 'success', result: { status: 0 } });
    await clock.advance(60_000);
    await isEmpty();
  });

  it.each`
    what                           | otherwise                                                    | answer
    ${'was cancelled'}             | ${(id: string) => api.delete(`/v2/fns/${fnId}/calls/${id}`)} | ${err(500, 'internal server error')}
    ${'was reserved too long ago'} | ${() => clock.advance(60_000)}                               | ${err(500, 'internal server error')}
    ${'is still reserved'}         | ${() => undefined}                                           | ${{ status: 204 }}
  `('http-api 121: of a call that $what is answered $answer.status', async ({ otherwise, answer }) => {
    await enqueue('c1');
    const call = await dequeue();
    await otherwise('c1');
    expect(await api.post('/v2/runner/start', call)).toMatchObject(answer);
  });

  it('http-api 121: without a reservation may not run it, and the call stays in the queue', async () => {
    await enqueue('c1');
    expect(await api.post('/v2/runner/start', { id: 'c1' })).toMatchObject(err(500, 'internal server error'));
    expect(await api.post('/v2/runner/start', '{"id":')).toMatchObject(err(400, 'Invalid JSON'));
    expect((await dequeue()).id).toBe('c1');
  });

  it('http-api 121: that does not get the answer, and reports the start again, gets the same', async () => {
    await enqueue('c1');
    const call = await dequeue();
    for (let times = 0; times < 2; times += 1) expect((await api.post('/v2/runner/start', call)).status).toBe(204);
  });
});

it('http-api 122: a balancer of Fn that reports an end is answered 204 whatever it says, and nothing changes', async () => {
  await enqueue('c1');
  const call = { id: 'c1', fn_id: fnId, status: 'error', error: 'no' };
  expect(await api.post('/v2/runner/finish', { call, log: 'meow' })).toMatchObject({ status: 204, text: '' });
  expect((await api.post('/v2/runner/finish', {})).status).toBe(204);
  expect(await api.post('/v2/runner/finish', '{"call":')).toMatchObject(err(400, 'Invalid JSON'));
  expect(await record('c1')).toMatchObject({ status: 'queued' });
});
