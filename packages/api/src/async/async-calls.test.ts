// takes: 15 s
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  decodeFrames,
  encodeFrames,
  encodeQueuedRequest,
  encodeQueuedResponse,
  type HeaderMap,
  MIB,
  RecordedMetrics,
  readMetrics,
  renderPrometheus,
  wallMs,
} from '@fnfleet/core';
import { ApiProcess } from '../test-kit/api-process.js';
import { type Answer, err, TestApi } from '../test-kit/test-api.js';

const metrics = RecordedMetrics.install();
let folder: string;
let api: TestApi;
let appId: string;
let fnId: string;

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'fnfleet-async-'));
  api = await TestApi.start({
    env: queueEnv(),
    metrics: (_req, res) => void res.end(renderPrometheus(readMetrics(), {})),
  });
  appId = await api.app('shop');
  const policy = { attempts: 2, backoff: 0, max_backoff: 0, retry_on: ['function'] };
  fnId = await api.fn(appId, 'resize', { annotations: { 'fnfleet/async': policy } });
});
afterEach(async () => {
  await api.close();
  rmSync(folder, { recursive: true });
});

const queueEnv = () => ({ FN_MQ_URL: `sqlite3://${folder}/mq.db`, FN_MQ_MAX_BODY: '1000', FN_MQ_MAX_CALLS: '3' });
const request = { method: 'POST', url: 'http://lb/invoke/x', triggerId: '' };
const withHeaders = (headers: HeaderMap) => encodeQueuedRequest({ ...request, headers, createdAt: wallMs(1_000) });
const dated = (ms: number) => encodeQueuedRequest({ ...request, headers: {}, createdAt: wallMs(ms) });
const head = withHeaders({ 'X-A': ['1'] });

const frameOf = (said: object, bodyBytes = 0) =>
  encodeFrames([{ head: JSON.stringify(said), body: Buffer.alloc(bodyBytes) }]);

async function post(target: string, body: Buffer | string, url = api.url): Promise<Answer & { frames: Frames }> {
  const response = await fetch(url + target, { method: 'POST', body: body as string });
  const bytes = Buffer.from(await response.arrayBuffer());
  const isBinary = response.headers.get('content-type') === 'application/octet-stream';
  const frames = isBinary ? decodeFrames(bytes, 100) : [];
  const text = isBinary ? '' : bytes.toString();
  const { status, headers } = response;
  return { status, headers, text, body: text === '' ? {} : JSON.parse(text), frames };
}
type Frames = ReturnType<typeof decodeFrames>;

function accept(callId: string, more: object = {}, body = Buffer.from('cat')): Promise<Answer> {
  const said = JSON.stringify({ call_id: callId, fn_id: fnId, head, ...more });
  return post('/v2/runner/async/calls', encodeFrames([{ head: said, body }]));
}

interface Leased {
  readonly call_id: string;
  readonly token: string;
  readonly attempt: number;
  readonly body: string;
}

async function reserve(more: object = {}, url = api.url): Promise<Leased[]> {
  const { status, frames } = await post(
    '/v2/runner/async/reserve',
    JSON.stringify({ holder: 'lb', limit: 10, ...more }),
    url,
  );
  expect(status).toBe(200);
  return frames.map((frame) => ({ ...JSON.parse(frame.head), body: Buffer.from(frame.body).toString() }));
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 5));
}

async function settle(...said: readonly [object, string?][]): Promise<unknown> {
  const frames = said.map(([of, body = '']) => ({ head: JSON.stringify(of), body: Buffer.from(body) }));
  return (await post('/v2/runner/async/settle', encodeFrames(frames))).body.answers;
}

const leaseOf = (leased: Leased | undefined) => ({ call_id: leased?.call_id, token: leased?.token });

const call = (callId: string) => api.get(`/v2/fns/${fnId}/calls/${callId}`);

describe('a balancer', () => {
  it('takes no more calls of a function than it wants, and may end its wait when it wants more', async () => {
    for (const id of ['c1', 'c2', 'c3']) await accept(id);
    const wanted = { per_function: 2, held: [[fnId, 1]] };
    expect((await reserve(wanted)).map(({ call_id }) => call_id)).toEqual(['c1']);
    const waiting = reserve({ ...wanted, held: [[fnId, 2]], wait_ms: 30_000, poll: 'p1' });
    const other = reserve({ ...wanted, held: [[fnId, 2]], wait_ms: 30_000, poll: 'p2' });
    // The reservation may arrive later.
    let ended = false;
    void waiting.then(() => {
      ended = true;
    });
    await until(async () => {
      expect(await settle([{ kind: 'end_poll', poll: 'p1' }])).toEqual([{ kind: 'ended' }]);
      return ended;
    });
    expect(await waiting).toEqual([]);
    expect((await reserve({ wait_ms: 30_000 })).map(({ call_id }) => call_id)).toEqual(['c2', 'c3']);
    await settle([{ kind: 'end_poll', poll: 'p2' }], [{ kind: 'end_poll', poll: 'nobody' }]);
    expect(await other).toEqual([]);
  });

  describe('that says how calls ended, and asks for more at once,', () => {
    const asksFor = async (...said: object[]) => {
      const frames = said.map((one) => ({ head: JSON.stringify(one), body: Buffer.alloc(0) }));
      const answer = await post('/v2/runner/async/settle', encodeFrames(frames));
      const [first, ...calls] = answer.frames.map((frame) => JSON.parse(frame.head));
      return { ...answer, first, ids: calls.map(({ call_id }) => call_id) };
    };

    it('gets both answers together, and may start what the ends have made room for', async () => {
      await api.put(`/v2/fns/${fnId}`, { annotations: { 'fnfleet/async': { concurrency: 1 } } });
      for (const id of ['c1', 'c2']) await accept(id);
      const [leased] = await reserve();
      expect(await reserve()).toEqual([]);
      const ends = { ...leaseOf(leased), kind: 'complete', head: '{}' };
      const { first, ids } = await asksFor(ends, { kind: 'reserve', holder: 'lb', limit: 10, wait_ms: 30_000 });
      expect({ first, ids }).toEqual({ first: { answers: [{ kind: 'completed' }], reserved: true }, ids: ['c2'] });
      expect((await call('c1')).body).toMatchObject({ status: 'success' });
    });

    it('learns at once that there are none', async () => {
      const { first, ids } = await asksFor({ kind: 'reserve', holder: 'lb', limit: 10, wait_ms: 30_000 });
      expect({ first, ids }).toEqual({ first: { answers: [], reserved: true }, ids: [] });
    });

    it.each`
      what                        | more
      ${'two reservations'}       | ${[{ kind: 'reserve', holder: 'lb' }, { kind: 'reserve', holder: 'lb' }]}
      ${'no holder'}              | ${[{ kind: 'reserve' }]}
      ${'more than is allowed'}   | ${[{ kind: 'reserve', holder: 'lb', limit: 1_001 }]}
      ${'no calls of a function'} | ${[{ kind: 'reserve', holder: 'lb', per_function: 0 }]}
    `('changes nothing with $what, and the next one is served', async ({ more }) => {
      for (const id of ['c1', 'c2']) await accept(id);
      const [leased] = await reserve({ limit: 1 });
      const ends = { ...leaseOf(leased), kind: 'complete', head: '{}' };
      expect(await asksFor(ends, ...more)).toMatchObject({ status: 400 });
      expect((await call('c1')).body).toMatchObject({ status: 'running' });
      const next = await asksFor(ends, { kind: 'reserve', holder: 'lb' });
      expect(next).toMatchObject({ first: { answers: [{ kind: 'completed' }] }, ids: ['c2'] });
    });

    it('is told that the node takes that', async () => {
      expect((await post('/v2/runner/async/settle', encodeFrames([]))).body).toEqual({ answers: [], reserves: true });
    });
  });

  it.each`
    what                             | more
    ${'no list'}                     | ${{ held: { f: 1 } }}
    ${'a count that is no number'}   | ${{ held: [['f', 'x']] }}
    ${'a name that is no text'}      | ${{ held: [[1, 1]] }}
    ${'more functions than allowed'} | ${{ held: Array.from({ length: 1_001 }, (_, at) => [`f${at}`, 1]) }}
    ${'no calls of any function'}    | ${{ per_function: 0 }}
  `('that asks for calls with $what is answered 400, and the next one is served', async ({ more }) => {
    await accept('c1');
    const asked = JSON.stringify({ holder: 'lb', limit: 1, ...more });
    expect(await post('/v2/runner/async/reserve', asked)).toMatchObject({ status: 400 });
    expect(await reserve()).toHaveLength(1);
  });

  it.each`
    what                                    | more
    ${'an id that is half of a character'}  | ${{ call_id: 'a\ud800' }}
    ${'an id with a line break'}            | ${{ call_id: 'a\nb' }}
    ${'an id that is a path'}               | ${{ call_id: '../dead' }}
    ${'an id like that of a callback'}      | ${{ call_id: 'c2.success.1' }}
    ${'an id that is too long'}             | ${{ call_id: 'c'.repeat(65) }}
    ${'a key that is half of a character'}  | ${{ idempotency_key: 'a\udc00' }}
    ${'no request'}                         | ${{ head: '' }}
    ${'a request that is no JSON'}          | ${{ head: '{' }}
    ${'a header with a line break'}         | ${{ head: withHeaders({ 'X-A': ['1\r\nFn-Attempt: 9'] }) }}
    ${'a header with a control character'}  | ${{ head: withHeaders({ 'X-A': ['1', 'a\u0001'] }) }}
    ${'a header whose name has a space'}    | ${{ head: withHeaders({ 'X A': ['1'] }) }}
    ${'a header without a name'}            | ${{ head: withHeaders({ '': ['1'] }) }}
    ${'headers that are no lists of texts'} | ${{ head: withHeaders({ 'X-A': [{}] as never }) }}
  `('that hands in a call with $what is answered 400, and the next call is accepted', async ({ more }) => {
    expect(await accept('c1', more)).toMatchObject({ status: 400, body: { message: expect.any(String) } });
    expect(await accept('c1')).toMatchObject({ status: 200, body: { duplicate: false } });
    expect((await reserve()).map(({ call_id }) => call_id)).toEqual(['c1']);
  });

  it('hands in a call, leases it, extends the lease and says how it ended: its result can be read', async () => {
    expect(await accept('c1')).toMatchObject({ status: 200, body: { call_id: 'c1', duplicate: false } });
    expect((await call('c1')).body).toMatchObject({ id: 'c1', status: 'queued', app_id: appId, attempts: 0 });

    const [leased] = await reserve();
    expect(leased).toMatchObject({ call_id: 'c1', fn_id: fnId, attempt: 1, body: 'cat', head });
    expect((await call('c1')).body).toMatchObject({ status: 'running', attempts: 1 });
    const lease = { call_id: 'c1', token: leased?.token };
    expect(await settle([{ ...lease, kind: 'extend', lease_ms: 60_000 }])).toEqual([{ kind: 'extended' }]);
    const result = encodeQueuedResponse({ status: 200, headers: { 'Content-Type': ['text/plain'] }, size: 9 });
    expect(await settle([{ ...lease, kind: 'complete', head: result }, 'meow'])).toEqual([{ kind: 'completed' }]);

    expect((await call('c1')).body).toMatchObject({
      status: 'success',
      history: [{ attempt: 1, balancer: 'lb', end: 'completed' }],
      result: { status: 200, headers: { 'Content-Type': ['text/plain'] }, encoding: 'utf8', body: 'meow', size: 9 },
    });
  });

  it('reports what the function has printed in each attempt: the log of a call is that of the last one', async () => {
    await accept('c1');
    await accept('c2');
    const log = (callId: string, accept?: string, of = fnId) =>
      api.send('GET', `/v2/fns/${of}/calls/${callId}/log`, undefined, accept === undefined ? undefined : { accept });
    const again = { blame: 'function', code: 'functionFailed', message: 'no' };
    const [first, second] = await reserve();
    await settle([{ ...leaseOf(first), kind: 'retry', ...again, log: 'first try\n' }]);
    expect((await log('c1')).body).toEqual({ call_id: 'c1', log: 'first try\n' });
    await settle([{ ...leaseOf((await reserve())[0]), kind: 'complete', head: '{}', log: 'second\n' }]);
    await settle([{ ...leaseOf(second), kind: 'complete', head: '{}' }]);

    expect((await log('c1')).body).toEqual({ call_id: 'c1', log: 'second\n' });
    expect((await log('c2')).body).toEqual({ call_id: 'c2', log: '' });
    expect(await log('c3')).toMatchObject(err(404, 'Call log not found'));
    expect(await log('c1', undefined, 'other')).toMatchObject(err(404, 'Call log not found'));
  });

  it.each`
    accept                               | status | type
    ${'application/json'}                | ${200} | ${'application/json; charset=utf-8'}
    ${'*/*'}                             | ${200} | ${'application/json; charset=utf-8'}
    ${'text/plain'}                      | ${200} | ${'text/plain; charset=utf-8'}
    ${'text/plain;q=0.9, */*'}           | ${200} | ${'text/plain; charset=utf-8'}
    ${'image/png, Application/Json;q=1'} | ${200} | ${'application/json; charset=utf-8'}
    ${'image/png'}                       | ${406} | ${'application/json; charset=utf-8'}
  `(
    'http-api 118: a client that accepts $accept gets the log with $status as $type',
    async ({ accept: type, ...expected }) => {
      await accept('c1');
      await settle([{ ...leaseOf((await reserve())[0]), kind: 'complete', head: '{}', log: 'meow\n' }]);
      const answer = await api.send('GET', `/v2/fns/${fnId}/calls/c1/log`, undefined, { accept: type });
      expect([answer.status, answer.headers.get('content-type')]).toEqual([expected.status, expected.type]);
      if (expected.status === 200)
        expect(answer.text).toBe(expected.type.startsWith('text') ? 'meow\n' : '{"call_id":"c1","log":"meow\\n"}');
      else expect(answer).toMatchObject(err(406, 'unable to respond within acceptable response content types'));
    },
  );

  it('repeats what it has handed in, after an answer that was lost, without effect', async () => {
    await accept('c1');
    expect(await accept('c1')).toMatchObject({ status: 200, body: { call_id: 'c1', duplicate: false } });
    await accept('c2', { idempotency_key: 'order-7' });
    expect((await accept('c3', { idempotency_key: 'order-7' })).body).toEqual({ call_id: 'c2', duplicate: true });
    expect(await reserve()).toHaveLength(2);
  });

  it('says how several calls ended in one request, and learns which leases it has lost', async () => {
    await accept('c1');
    await accept('c2');
    await accept('c3');
    const leases = (await reserve()).map(({ call_id, token }) => ({ call_id, token }));
    const [first, second, third] = leases;
    const failure = { kind: 'retry', blame: 'function', code: 'functionFailed', message: 'no such cat' };
    expect(
      await settle(
        [{ ...first, ...failure }],
        [{ ...second, kind: 'give_back' }],
        [{ ...third, kind: 'bury', code: 'x' }],
      ),
    ).toEqual([{ kind: 'retried', delayMs: 0 }, { kind: 'givenBack' }, { kind: 'dead' }]);
    expect(await settle([{ ...third, kind: 'complete' }])).toEqual([{ kind: 'leaseLost', because: 'ended' }]);

    const again = await reserve();
    expect(again.map(({ call_id, attempt }) => [call_id, attempt]).sort()).toEqual([
      ['c1', 2],
      ['c2', 1],
    ]);
    const token = again.find(({ call_id }) => call_id === 'c1')?.token;
    expect(await settle([{ call_id: 'c1', token, ...failure }])).toMatchObject([{ kind: 'dead' }]);
    expect((await call('c1')).body).toMatchObject({ status: 'error', error: 'no such cat', failures: 2, attempts: 2 });
  });

  it('gives back a call for which there is no room, and gets none of the same function for a while', async () => {
    await accept('c1');
    const [leased] = await reserve();
    const lease = { call_id: leased?.call_id, token: leased?.token };
    expect(await settle([{ ...lease, kind: 'give_back', rest_ms: 60_000 }])).toEqual([{ kind: 'givenBack' }]);
    await accept('c2', { fn_id: await api.fn(appId, 'small') });
    expect((await reserve()).map(({ call_id }) => call_id)).toEqual(['c2']);
  });

  it('waits for calls that are not there yet', async () => {
    const waiting = reserve({ wait_ms: 30_000 });
    await accept('c1');
    expect(await waiting).toHaveLength(1);
  });

  it('gives back what arrives after it has left', async () => {
    const left = new AbortController();
    const target = `${api.url}/v2/runner/async/reserve`;
    const body = JSON.stringify({ holder: 'gone', wait_ms: 30_000 });
    const gone = fetch(target, { method: 'POST', body, signal: left.signal }).catch(() => 'left');
    await post('/v2/runner/async/reserve', JSON.stringify({ holder: 'other' }));
    left.abort();
    expect(await gone).toBe('left');
    await accept('c1');
    expect(await reserve({ wait_ms: 30_000 })).toHaveLength(1);
  });

  it('is answered at once when the node drains', async () => {
    const waiting = reserve({ wait_ms: 30_000 });
    await reserve();
    await Promise.all([api.server.drain({ graceMs: 10_000 }), waiting]);
    expect(await waiting).toEqual([]);
  });
});

describe('a node', () => {
  it('keeps what it has confirmed although it is killed with the confirmation', async () => {
    const env = { FN_DB_URL: `sqlite3://${folder}/fn.db` };
    const first = await ApiProcess.start(env);
    const said = (callId: string) => JSON.stringify({ call_id: callId, fn_id: 'f', head });
    const confirmed: string[] = [];
    const pushing = Array.from({ length: 100 }, async (_, n) => {
      const frame = { head: said(`c${n}`), body: Buffer.from('cat') };
      const answer = await post('/v2/runner/async/calls', encodeFrames([frame]), first.url).catch(() => undefined);
      if (answer?.status === 200) confirmed.push(`c${n}`);
      if (confirmed.length === 20) await first.kill();
    });
    await Promise.all(pushing);
    const second = await ApiProcess.start(env);
    const kept = (await reserve({ limit: 1_000 }, second.url)).map(({ call_id }) => call_id);
    await second.kill();
    expect(confirmed.length).toBeGreaterThanOrEqual(20);
    expect(kept).toEqual(expect.arrayContaining(confirmed));
  });

  it('does not confirm, and starts all the same, while another process has the queue', async () => {
    const env = { FN_DB_URL: `sqlite3://${folder}/fn.db` };
    const first = await ApiProcess.start(env);
    await post('/v2/runner/async/reserve', JSON.stringify({ holder: 'lb' }), first.url);
    const second = await ApiProcess.start(env);
    const frame = encodeFrames([{ head: JSON.stringify({ call_id: 'c', fn_id: 'f', head }), body: Buffer.alloc(0) }]);
    const refused = await post('/v2/runner/async/calls', frame, second.url);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5']);
    expect(refused.body.message).toBe('No queue of asynchronous calls is available: try again later');
    const nothing = await post('/v2/runner/async/reserve', JSON.stringify({ holder: 'lb' }), second.url);
    expect(nothing.status).toBe(204);

    await first.kill();
    for (let tries = 0; ; tries += 1) {
      const { status } = await post('/v2/runner/async/calls', frame, second.url);
      if (status === 200) break;
      expect([status, tries]).toEqual([503, expect.any(Number)]);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await second.kill();
  });

  it.each`
    what                                 | body                                                                              | status
    ${'nothing'}                         | ${Buffer.alloc(0)}                                                                | ${400}
    ${'half a frame'}                    | ${Buffer.alloc(5)}                                                                | ${400}
    ${'a head that is no JSON'}          | ${encodeFrames([{ head: '{', body: Buffer.alloc(0) }])}                           | ${400}
    ${'a call without a function'}       | ${frameOf({ call_id: 'a' })}                                                      | ${400}
    ${'a call in the lane of callbacks'} | ${frameOf({ call_id: 'a', fn_id: 'callback:f', head })}                           | ${404}
    ${'a date that cannot be written'}   | ${frameOf({ call_id: 'a', fn_id: 'f', head: dated(Number.MAX_SAFE_INTEGER) })}    | ${400}
    ${'a body over the limit'}           | ${frameOf({ call_id: 'a', fn_id: 'f', head }, 1001)}                              | ${413}
    ${'more than is read'}               | ${Buffer.alloc(200_000)}                                                          | ${413}
    ${'a key of a thousand letters'}     | ${frameOf({ call_id: 'a', fn_id: 'f', head, idempotency_key: 'a'.repeat(1000) })} | ${413}
  `('refuses $what, and takes the next call', async ({ body, status }) => {
    expect((await post('/v2/runner/async/calls', body)).status).toBe(status);
    expect((await accept('c1')).status).toBe(200);
    expect(await reserve()).toHaveLength(1);
  });

  it('gives no leave to send more than is read', async () => {
    const told = async (target: string, length: number) => {
      const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
      socket.write(
        `POST ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: ${length}\r\n\r\n`,
      );
      const [answer] = await once(socket, 'data');
      socket.destroy();
      return String(answer).slice(9, 12);
    };
    const paths = ['calls', 'reserve', 'settle'].map((name) => `/v2/runner/async/${name}`);
    expect(await Promise.all(paths.map((path) => told(path, 100_000_000)))).toEqual(['413', '413', '413']);
    expect(await told('/v2/runner/async/calls', 100)).toBe('100');
    expect((await accept('c1')).status).toBe(200);
  });

  it('refuses calls beyond FN_MQ_MAX_CALLS with 503 and Retry-After, and takes more when some have ended', async () => {
    for (const id of ['c1', 'c2', 'c3']) expect((await accept(id)).status).toBe(200);
    const full = await accept('c4');
    expect([full.status, full.headers.get('retry-after')]).toEqual([503, '15']);
    expect(full.body.message).toMatch(/^The queue of asynchronous calls is full: /);
    const [leased] = await reserve();
    await settle([{ call_id: leased?.call_id, token: leased?.token, kind: 'complete' }]);
    expect((await accept('c4')).status).toBe(200);
  });

  it('buries the waiting calls of a deleted function', async () => {
    await accept('c1');
    await api.delete(`/v2/fns/${fnId}`);
    expect(await reserve()).toEqual([]);
  });
});

it('leases no more than a balancer reads, although callers send headers that take twice their size in JSON', async () => {
  const other = await TestApi.start({ env: { FN_MQ_URL: `sqlite3://${folder}/other.db` } });
  try {
    const quotes = { ...request, headers: { 'X-A': ['"'.repeat(2_047)] }, createdAt: wallMs(1_000) };
    const head = encodeQueuedRequest(quotes);
    const push = (n: number) => {
      const said = JSON.stringify({ call_id: `c${n}`, fn_id: 'f', head });
      return post('/v2/runner/async/calls', encodeFrames([{ head: said, body: Buffer.alloc(0) }]), other.url);
    };
    for (let from = 0; from < 1_000; from += 100) {
      await Promise.all(Array.from({ length: 100 }, (_, n) => push(from + n)));
    }
    const body = JSON.stringify({ holder: 'lb', limit: 1_000 });
    const leased = await fetch(`${other.url}/v2/runner/async/reserve`, { method: 'POST', body });
    expect((await leased.arrayBuffer()).byteLength).toBeLessThan(8 * MIB);
  } finally {
    await other.close();
  }
});

describe('peers that send half of a large body', () => {
  let small: TestApi;
  beforeEach(async () => {
    small = await TestApi.start({ env: { FN_MQ_URL: `sqlite3://${folder}/small.db`, FN_ASYNC_HELD_BYTES: '300000' } });
  });
  afterEach(() => small.close());

  function sendHalf(method: string, target: string) {
    const socket = connect(Number(new URL(small.url).port), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(`${method} ${target} HTTP/1.1\r\nHost: x\r\nContent-Length: 400000\r\n\r\n`);
    socket.write(Buffer.alloc(200_000, 'x'));
    const answered = new Promise<string>((resolve) => {
      socket.once('data', (bytes) => resolve(bytes.toString().split('\r\n')[0] ?? ''));
    });
    return { socket, answered };
  }

  it.each`
    method    | target
    ${'POST'} | ${'/v2/runner/async/calls'}
    ${'POST'} | ${'/v2/runner/async/reserve'}
    ${'POST'} | ${'/v2/runner/async/settle'}
    ${'PUT'}  | ${'/v2/runner/async'}
    ${'POST'} | ${'/v2/runner/start'}
    ${'POST'} | ${'/v2/runner/finish'}
  `(
    'to $method $target fill no more memory than they may, and others are served afterwards',
    async ({ method, target }) => {
      const peers = [sendHalf(method, target), sendHalf(method, target)];
      expect(await Promise.race(peers.map(({ answered }) => answered))).toBe('HTTP/1.1 503 Service Unavailable');
      for (const { socket } of peers) socket.destroy();
      const ordinary = async () => (await post('/v2/runner/async/settle', encodeFrames([]), small.url)).status;
      while ((await ordinary()) !== 200) await new Promise((resolve) => setTimeout(resolve, 5));
      expect((await post('/v2/runner/async/reserve', JSON.stringify({ holder: 'lb' }), small.url)).status).toBe(200);
    },
  );

  it('and reservations that wait do not keep calls from the queue', async () => {
    const left = new AbortController();
    const body = JSON.stringify({ holder: 'lb', wait_ms: 30_000, poll: 'x'.repeat(200_000) });
    const waits = fetch(`${small.url}/v2/runner/async/reserve`, { method: 'POST', body, signal: left.signal });
    const call = encodeFrames([
      { head: JSON.stringify({ call_id: 'c1', fn_id: fnId, head }), body: Buffer.alloc(200_000) },
    ]);
    for (let n = 0; n < 3; n += 1) expect((await post('/v2/runner/async/calls', call, small.url)).status).toBe(200);
    left.abort();
    await waits.catch(() => undefined);
  });

  it('with calls do not keep the ends of others from the queue', async () => {
    const peers = [1, 2].map(() => sendHalf('POST', '/v2/runner/async/calls'));
    await Promise.race(peers.map(({ answered }) => answered));
    const ends = [{ head: JSON.stringify({ kind: 'end_poll', poll: 'x'.repeat(200_000) }), body: Buffer.alloc(0) }];
    expect((await post('/v2/runner/async/settle', encodeFrames(ends), small.url)).status).toBe(200);
    for (const { socket } of peers) socket.destroy();
  });
});

describe('an operator', () => {
  it('http-api 108: lists the calls of a function, newest first, page by page, by status and by time', async () => {
    for (const id of ['c1', 'c2', 'c3']) await accept(id);
    const calls = (query: string) => api.get(`/v2/fns/${fnId}/calls${query}`);
    const ids = ({ body }: Answer) => (body.items as { id: string }[]).map(({ id }) => id);
    const first = await calls('?per_page=2');
    expect(ids(first)).toEqual(['c3', 'c2']);
    expect(ids(await calls(`?per_page=2&cursor=${first.body.next_cursor}`))).toEqual(['c1']);
    await reserve({ limit: 1 });
    expect(ids(await calls('?status=running'))).toEqual(['c1']);
    expect(ids(await calls('?status=error'))).toEqual([]);
    expect(ids(await calls('?from_time=9999999999'))).toEqual([]);
    expect(ids(await calls('?to_time=9999999999'))).toHaveLength(3);
  });

  it.each`
    query              | message
    ${'?from_time=x'}  | ${'from_time is not an epoch time'}
    ${'?to_time=-1'}   | ${'to_time is not an epoch time'}
    ${'?cursor=%20'}   | ${'Invalid cursor'}
    ${'?status=great'} | ${/^\{"message":"status is none of /}
  `('is told what is wrong with $query', async ({ query, message }) => {
    expect(await api.get(`/v2/fns/${fnId}/calls${query}`)).toMatchObject(err(400, message));
  });

  it('cancels a call that waits, and one that runs: its balancer learns it', async () => {
    await accept('c1');
    await accept('c2');
    const [running] = await reserve({ limit: 1 });
    for (const id of ['c1', 'c2']) expect((await api.delete(`/v2/fns/${fnId}/calls/${id}`)).status).toBe(204);
    expect((await call('c2')).body).toMatchObject({ status: 'cancelled' });
    const lease = { call_id: running?.call_id, token: running?.token };
    expect(await settle([{ ...lease, kind: 'extend' }])).toEqual([{ kind: 'leaseLost', because: 'cancelled' }]);
    expect(await api.delete(`/v2/fns/${fnId}/calls/c1`)).toMatchObject(
      err(409, 'The call has already ended: cancelled'),
    );
  });

  it('does not find calls of other functions, or of functions that do not exist', async () => {
    await accept('c1');
    const other = await api.fn(appId, 'other');
    const missing = err(404, 'Call not found');
    expect(await api.get(`/v2/fns/${other}/calls/c1`)).toMatchObject(missing);
    expect(await api.delete(`/v2/fns/${other}/calls/c1`)).toMatchObject(missing);
    expect(await api.get(`/v2/fns/${fnId}/calls/c9`)).toMatchObject(missing);
    expect(await api.get('/v2/fns/none/calls/c1')).toMatchObject(err(404, 'Fn not found'));
    expect(await api.get('/v2/fns/none/calls')).toMatchObject(err(404, 'Fn not found'));
  });
});

describe('an operator of dead letters', () => {
  const dead = (of: string, action: string, body: object | string = {}) =>
    api.post(`/v2/fns/${of}/dead/${action}`, body);
  const changed = (count: number) => ({ status: 200, body: { changed: count } });
  const statusOf = async (callId: string) => (await api.get(`/v2/calls/${callId}`)).body.status;

  beforeEach(async () => {
    await accept('c1');
    await accept('c2', {}, Buffer.from([0xff, 0]));
    for (const { call_id, token } of await reserve()) {
      await settle([{ call_id, token, kind: 'bury', code: 'functionFailed', message: 'no such cat' }]);
    }
  });

  it('finds one by its id alone, with the request of its caller', async () => {
    expect((await api.get('/v2/calls/c1')).body).toMatchObject({
      ...{ id: 'c1', fn_id: fnId, app_id: appId, status: 'error', error: 'no such cat', error_code: 'functionFailed' },
      history: [{ attempt: 1, end: 'dead' }],
      request: { method: 'POST', headers: { 'X-A': ['1'] }, encoding: 'utf8', body: 'cat', size: 3 },
    });
    expect((await api.get('/v2/calls/c2')).body.request).toMatchObject({ encoding: 'base64', body: '/wA=', size: 2 });
    expect(await api.get('/v2/calls/c9')).toMatchObject(err(404, 'Call not found'));
  });

  it('lists those of all functions, also of one that was deleted', async () => {
    const other = await api.fn(appId, 'other');
    await accept('c3', { fn_id: other });
    await api.delete(`/v2/fns/${fnId}`);
    const items = async (query: string) =>
      ((await api.get(`/v2/calls${query}`)).body.items as Record<string, unknown>[]).map(({ id, app_id, fn_id }) => [
        id,
        app_id,
        fn_id,
      ]);
    expect(await items('?status=error')).toEqual([
      ['c2', '', fnId],
      ['c1', '', fnId],
    ]);
    expect(await items('?status=queued')).toEqual([['c3', appId, other]]);
    expect((await api.get('/v2/calls?per_page=1')).body.next_cursor).toEqual(expect.any(String));
    expect(await api.get('/v2/calls?status=great')).toMatchObject({ status: 400 });
  });

  it('runs one of them again, or all of a function', async () => {
    expect(await dead(fnId, 'redrive', { call_id: 'c1' })).toMatchObject(changed(1));
    expect([await statusOf('c1'), await statusOf('c2')]).toEqual(['queued', 'error']);
    expect(await dead(fnId, 'redrive', { call_id: 'c1' })).toMatchObject(changed(0));
    expect(await dead(fnId, 'redrive')).toMatchObject(changed(1));
    expect((await reserve()).map(({ attempt }) => attempt)).toEqual([2, 2]);
  });

  it('removes one of them, or all of a function, also when that was deleted', async () => {
    expect(await dead(fnId, 'purge', { call_id: 'c1' })).toMatchObject(changed(1));
    await api.delete(`/v2/fns/${fnId}`);
    expect(await dead(fnId, 'redrive')).toMatchObject(err(404, 'Fn not found'));
    expect(await dead(fnId, 'purge', '')).toMatchObject(changed(1));
    expect(await api.get('/v2/calls/c2')).toMatchObject({ status: 404 });
  });

  it.each`
    what                        | body                              | status
    ${'half of a JSON'}         | ${'{"call_id":'}                  | ${400}
    ${'a list'}                 | ${'[]'}                           | ${400}
    ${'a number for an id'}     | ${{ call_id: 7 }}                 | ${400}
    ${'an empty id'}            | ${{ call_id: '' }}                | ${400}
    ${'no id where one is due'} | ${{ call_id: null }}              | ${400}
    ${'a misspelt name'}        | ${{ callid: 'c1' }}               | ${400}
    ${'null'}                   | ${'null'}                         | ${400}
    ${'an unknown id'}          | ${{ call_id: 'c9' }}              | ${404}
    ${'more than is read'}      | ${{ call_id: 'c'.repeat(5_000) }} | ${413}
    ${'an id of 4000 letters'}  | ${{ call_id: 'c'.repeat(4_000) }} | ${404}
  `('who sends $what is answered $status, and nothing changes', async ({ body, status }) => {
    for (const action of ['redrive', 'purge']) expect((await dead(fnId, action, body)).status).toBe(status);
    expect([await statusOf('c1'), await statusOf('c2')]).toEqual(['error', 'error']);
  });

  it('does not change the dead letters of one function by way of another', async () => {
    const other = await api.fn(appId, 'other');
    for (const action of ['redrive', 'purge']) {
      expect(await dead(other, action, { call_id: 'c1' })).toMatchObject(err(404, 'Call not found'));
      expect(await dead(other, action)).toMatchObject(changed(0));
    }
    expect(await statusOf('c1')).toBe('error');
  });
});

describe('the metrics of a node', () => {
  const failure = { kind: 'retry', blame: 'function', code: 'functionFailed', message: 'no such cat' };
  const levels = async () =>
    [...(await api.get('/metrics')).text.matchAll(/^fn_mq_calls\{state="(\w+)"\} (\d+)$/gm)].map(
      ([, state, value]) => `${value} ${state}`,
    );

  it('show at each scrape how many calls the queue holds, and how old the oldest one is', async () => {
    const before = performance.now();
    await accept('c1');
    await accept('c2', { delay_ms: 60_000 });
    expect(await levels()).toEqual(['1 ready', '1 delayed', '0 running', '0 dead']);
    const [, age] = /^fn_mq_oldest_age_seconds (\d+(\.\d+)?)$/m.exec((await api.get('/metrics')).text) ?? [];
    expect(Number(age)).toBeLessThanOrEqual((performance.now() - before) / 1_000);
    const [leased] = await reserve();
    expect(await levels()).toEqual(['0 ready', '1 delayed', '1 running', '0 dead']);
    await settle([{ call_id: 'c1', token: leased?.token, kind: 'bury', code: 'x' }]);
    expect(await levels()).toEqual(['0 ready', '1 delayed', '0 running', '1 dead']);
    expect((await api.get('/metrics')).text).toMatch(/^fn_mq_oldest_age_seconds 0$/m);
  });

  it('show nothing of a queue that is closed', async () => {
    await accept('c1');
    await levels();
    await api.server.close();
    expect(readMetrics().find(({ name }) => name === 'mq_calls')?.points).toEqual([]);
  });

  it('count how calls come and go', async () => {
    await accept('c1', { idempotency_key: 'order-7' });
    metrics.reset();
    await accept('c2', { idempotency_key: 'order-7' });
    await accept('c3');
    await accept('c4');
    const leases = await reserve();
    const [first, second, third] = leases.map(({ call_id, token }) => ({ call_id, token }));
    await settle([{ ...first, ...failure }], [{ ...second, kind: 'complete' }], [{ ...third, kind: 'give_back' }]);
    const again = (await reserve()).find(({ call_id }) => call_id === 'c1');
    await settle([{ call_id: 'c1', token: again?.token, ...failure }]);
    await api.delete(`/v2/fns/${fnId}/calls/c4`);
    const names = ['accepted', 'duplicates', 'delivered', 'redelivered', 'retried', 'completed', 'dead', 'cancelled'];
    expect(Object.fromEntries(names.map((name) => [name, metrics.sum(`mq_${name}` as 'mq_dead')]))).toEqual({
      ...{ accepted: 2, duplicates: 1, delivered: 5, redelivered: 1, retried: 1 },
      ...{ completed: 1, dead: 1, cancelled: 1 },
    });
  });

  it('count the attempt that follows an expired lease', async () => {
    await accept('c1');
    await reserve({ lease_ms: 1_000 });
    metrics.reset();
    expect(await reserve({ wait_ms: 30_000 })).toMatchObject([{ attempt: 2 }]);
    expect([metrics.sum('mq_redelivered'), metrics.sum('mq_retried')]).toEqual([1, 0]);
  });
});
