import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { decodeFrames, encodeFrames } from '@fnfleet/core';
import { err, TestApi } from '../test-kit/test-api.js';

let folder: string;
let api: TestApi;
let appId: string;

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'fnfleet-policies-'));
  api = await TestApi.start({ env: { FN_MQ_URL: `sqlite3://${folder}/mq.db` } });
  appId = await api.app('shop');
});
afterEach(async () => {
  await api.close();
  rmSync(folder, { recursive: true });
});

const fn = (policy: object | undefined, name = 'f') =>
  api.fn(appId, name, policy && { annotations: { 'fnfleet/async': policy } });

async function post(route: string, body: Buffer | string): Promise<Buffer> {
  const response = await fetch(`${api.url}/v2/runner/async/${route}`, { method: 'POST', body: body as string });
  const bytes = Buffer.from(await response.arrayBuffer());
  if (response.status !== 200) throw new Error(`${response.status} ${bytes}`);
  return bytes;
}

const accept = (callId: string, fnId: string, more: object = {}) =>
  post(
    'calls',
    encodeFrames([
      { head: JSON.stringify({ call_id: callId, fn_id: fnId, head: '{}', ...more }), body: Buffer.alloc(0) },
    ]),
  );

interface Leased {
  readonly call_id: string;
  readonly token: string;
}

async function reserve(limit = 10, more: object = {}): Promise<Leased[]> {
  const bytes = await post('reserve', JSON.stringify({ holder: 'lb', limit, ...more }));
  return decodeFrames(bytes, 100).map(({ head }) => JSON.parse(head));
}

async function fail({ call_id, token }: Leased, blame: string): Promise<Record<string, unknown>> {
  const head = JSON.stringify({ call_id, token, kind: 'retry', blame, code: 'x' });
  const { answers } = JSON.parse((await post('settle', encodeFrames([{ head, body: Buffer.alloc(0) }]))).toString());
  return answers[0];
}

const names = (leased: readonly Leased[]) => leased.map(({ call_id }) => call_id);
const call = async (callId: string) => (await api.get(`/v2/calls/${callId}`)).body;

it('a function decides how often and when its calls run again, and a balancer cannot', async () => {
  const fnId = await fn({ attempts: 2, backoff: 600 });
  await accept('c1', fnId, { policy: { attempts: 9, backoff_ms: 0, max_backoff_ms: 0, retry_on: [] }, priority: 2 });
  const [leased] = await reserve();
  const { kind, delayMs } = await fail(leased as Leased, 'function');
  expect(kind).toBe('retried');
  // Longer than the longest one by default, because only the first one is given.
  expect(Number(delayMs)).toBeGreaterThanOrEqual(300_000);
  expect(Number(delayMs)).toBeLessThanOrEqual(600_000);
  expect(await call('c1')).toMatchObject({ status: 'delayed', priority: 0, failures: 1 });
});

it.each`
  blame         | kind
  ${'timeout'}  | ${'retried'}
  ${'function'} | ${'dead'}
  ${'platform'} | ${'retried'}
`('a function that retries timeouts only: after a failure by $blame a call is $kind', async ({ blame, kind }) => {
  await accept('c1', await fn({ retry_on: ['timeout'] }));
  const [leased] = await reserve();
  expect(await fail(leased as Leased, blame)).toMatchObject({ kind });
});

it('a function may let its calls wait, and the caller may decide otherwise', async () => {
  const fnId = await fn({ delay: 3_600 });
  await accept('c1', fnId);
  await accept('c2', fnId, { delay_ms: 0 });
  expect(names(await reserve())).toEqual(['c2']);
  expect(await call('c1')).toMatchObject({ status: 'delayed' });
});

it('a call that has not started within its age, after its delay, is a dead letter', async () => {
  const fnId = await fn({ max_age: 1 });
  await accept('c1', fnId);
  await accept('c2', fnId, { delay_ms: 60_000 });
  let now: Record<string, unknown> = {};
  while (now.status !== 'error') now = await call('c1');
  expect(now).toMatchObject({ error_code: 'tooOld', attempts: 0 });
  expect(await call('c2')).toMatchObject({ status: 'delayed' });
});

it('a function decides how urgent its calls are', async () => {
  const [low, high] = [await fn(undefined, 'low'), await fn({ priority: 1 }, 'high')];
  await accept('c1', low);
  await accept('c2', high);
  expect(names(await reserve())).toEqual(['c2', 'c1']);
});

it('the limits of a function apply to its calls that wait as soon as they change', async () => {
  const fnId = await fn({ concurrency: 1 });
  for (const id of ['c1', 'c2', 'c3', 'c4']) await accept(id, fnId);
  expect(names(await reserve())).toEqual(['c1']);
  const waiting = reserve(10, { wait_ms: 30_000 });
  const change = (policy: object) => api.put(`/v2/fns/${fnId}`, { annotations: { 'fnfleet/async': policy } });
  await change({ concurrency: 2 });
  expect(names(await waiting)).toEqual(['c2']);
  const last = reserve(10, { wait_ms: 30_000 });
  await api.put(`/v2/fns/${fnId}`, { annotations: { 'fnfleet/async': null } });
  expect(names(await last)).toEqual(['c3', 'c4']);
});

it('a function has a rate: what is more waits', async () => {
  const fnId = await fn({ rate: { calls: 2, per: 86_400 } });
  for (const id of ['c1', 'c2', 'c3']) await accept(id, fnId);
  expect(await reserve()).toHaveLength(2);
  await api.put(`/v2/fns/${fnId}`, { annotations: { 'fnfleet/async': { rate: { calls: 10, per: 0.001 } } } });
  expect(await reserve(10, { wait_ms: 30_000 })).toHaveLength(1);
});

it('an app decides for its functions what they have not decided, also for calls that wait', async () => {
  const fnId = await fn({ priority: 1 });
  await accept('c1', fnId);
  await accept('c2', fnId);
  const change = (policy: object) => api.put(`/v2/apps/${appId}`, { annotations: { 'fnfleet/async': policy } });
  expect(await change({ concurrency: 0 })).toMatchObject(
    err(400, 'annotation fnfleet/async is not valid: concurrency should be a whole number from 1 to 10000'),
  );
  expect(await change({ concurrency: 1, priority: 0, delay: 3_600 })).toMatchObject({ status: 200 });
  await accept('c3', fnId);
  expect(await call('c3')).toMatchObject({ status: 'delayed', priority: 1 });
  expect(names(await reserve())).toEqual(['c1']);
});

it('limits that have changed while nobody had the queue apply to calls that wait', async () => {
  await api.close();
  const env = { FN_MQ_URL: `sqlite3://${folder}/mq.db`, FN_DB_URL: `sqlite3://${folder}/fn.db` };
  api = await TestApi.start({ env });
  appId = await api.app('shop');
  const fnId = await fn({ concurrency: 1 });
  for (const id of ['c1', 'c2', 'c3']) await accept(id, fnId);
  expect(names(await reserve())).toEqual(['c1']);
  await api.close();

  api = await TestApi.start({ env });
  // It has not opened the queue yet.
  await api.put(`/v2/fns/${fnId}`, { annotations: { 'fnfleet/async': { concurrency: 2 } } });
  expect(names(await reserve(10, { wait_ms: 30_000 }))).toEqual(['c2']);
});

it.each([
  ['a huge number', { attempts: 1e308 }],
  ['a number that is none', '{"annotations":{"fnfleet/async":{"attempts":1e999}}}'],
  ['a nested list', { retry_on: [[['timeout']]] }],
  ['more than fits', { retry_on: Array(1_000).fill('timeout') }],
  ['the name of a prototype', '{"annotations":{"fnfleet/async":{"__proto__":{"attempts":1}}}}'],
])('%s is refused, and the function is as it was', async (_, policy) => {
  const fnId = await fn({ attempts: 4 });
  const body = typeof policy === 'string' ? policy : { annotations: { 'fnfleet/async': policy } };
  expect(await api.put(`/v2/fns/${fnId}`, body)).toMatchObject({ status: 400 });
  expect((await api.get(`/v2/fns/${fnId}`)).body.annotations).toMatchObject({ 'fnfleet/async': { attempts: 4 } });
  await accept('c1', fnId);
  expect(await reserve()).toHaveLength(1);
});
