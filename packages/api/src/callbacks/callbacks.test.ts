// takes: 20 s
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { encodeFrames, encodeQueuedRequest, encodeQueuedResponse, wallMs } from '@fnfleet/core';
import { Webhook } from 'standardwebhooks';
import { ApiProcess } from '../test-kit/api-process.js';
import { accepts, CallbackReceiver, type Script } from '../test-kit/callback-receiver.js';

const SECRET = 'the secret of the fleet quite long enough';
const open: { close?(): Promise<void>; kill?(): Promise<void> }[] = [];
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'fnfleet-callbacks-'));
});
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await (each.kill?.() ?? each.close?.());
  rmSync(folder, { recursive: true });
});

async function node(more: Record<string, string> = {}): Promise<ApiProcess> {
  const env = { FN_DB_URL: `sqlite3://${folder}/fn.db`, FN_CALLBACK_SECRET: SECRET, FN_CALLBACK_ALLOW: '127.0.0.1' };
  const started = await ApiProcess.start({ ...env, ...more });
  open.push(started);
  return started;
}

async function receiver(script: Script = accepts): Promise<CallbackReceiver> {
  const made = await CallbackReceiver.start(script);
  open.push(made);
  return made;
}

async function send(api: ApiProcess, method: string, target: string, body?: object | Buffer): Promise<never> {
  const sent = body === undefined || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const response = await fetch(api.url + target, { method, body: sent as string });
  const text = await response.text();
  if (!response.ok) throw new Error(`${target}: ${response.status} ${text}`);
  return (text.startsWith('{') ? JSON.parse(text) : text) as never;
}

async function fn(api: ApiProcess, callbacks: object): Promise<string> {
  const { id: appId } = await send(api, 'POST', '/v2/apps', { name: `app${Math.random()}`.replace('.', '') });
  const annotations = { 'fnfleet/callbacks': callbacks };
  const { id } = await send(api, 'POST', '/v2/fns', { app_id: appId, name: 'f', image: 'i', annotations });
  return id;
}

function accept(api: ApiProcess, callId: string, fnId: string, headers = {}): Promise<unknown> {
  const request = { method: 'POST', url: 'http://lb/invoke/x', triggerId: '', createdAt: wallMs(1_000), headers };
  const head = JSON.stringify({ call_id: callId, fn_id: fnId, head: encodeQueuedRequest(request) });
  return send(api, 'POST', '/v2/runner/async/calls', encodeFrames([{ head, body: Buffer.from('cat') }]));
}

/** A balancer that runs whatever there is. */
async function runAll(api: ApiProcess): Promise<void> {
  const asked = JSON.stringify({ holder: 'lb', limit: 10 });
  const leased = await fetch(`${api.url}/v2/runner/async/reserve`, { method: 'POST', body: asked });
  const frames = Buffer.from(await leased.arrayBuffer());
  const result = encodeQueuedResponse({ status: 200, headers: {}, size: 4 });
  for (const [, json] of frames.toString('latin1').matchAll(/(\{"call_id".*?"token":"[^"]+")/g)) {
    const head = JSON.stringify({ ...JSON.parse(`${json}}`), kind: 'complete', head: result });
    await send(api, 'POST', '/v2/runner/async/settle', encodeFrames([{ head, body: Buffer.from('meow') }]));
  }
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
}

it('the owner of a function sets a callback: what its calls answer is sent there', async () => {
  const target = await receiver();
  const api = await node();
  const fnId = await fn(api, { on_success: { url: target.url() } });
  await accept(api, 'c1', fnId);
  await runAll(api);
  await until(() => target.received.length >= 1);
  expect(JSON.parse(target.received[0]?.body ?? '')).toMatchObject({
    data: { call_id: 'c1', result: { body: 'meow' } },
  });
});

it('callbacks and calls are listed apart by their type, also those of all functions', async () => {
  const target = await receiver();
  const api = await node();
  const fnId = await fn(api, { on_success: { url: target.url() } });
  await accept(api, 'c1', fnId);
  await runAll(api);
  await until(() => target.received.length >= 1);
  const types = async (from: string) => {
    const { items } = (await send(api, 'GET', from)) as { items: { type: string }[] };
    return items.map(({ type }) => type);
  };
  expect(await types('/v2/calls?type=async')).toEqual(['async']);
  expect(await types('/v2/calls?type=callback')).toEqual(['callback']);
  expect(await types('/v2/calls?type=')).toEqual(['callback', 'async']);
  expect(await types(`/v2/fns/${fnId}/calls?type=async`)).toEqual(['async']);
  expect(await types(`/v2/fns/${fnId}/calls?type=callback`)).toEqual(['callback']);
  for (const list of ['/v2/calls', `/v2/fns/${fnId}/calls`]) {
    await expect(types(`${list}?type=sync`)).rejects.toThrow('400');
  }
});

it('a caller cannot set one, whatever headers it sends', async () => {
  const target = await receiver();
  const api = await node();
  const fnId = await fn(api, { on_failure: { url: target.url() } });
  const headers = {
    'Fn-Callback-Url': [target.url()],
    'Fnfleet-Callbacks': [JSON.stringify({ on_success: { url: target.url() } })],
    hops: ['9'],
  };
  await accept(api, 'c1', fnId, headers);
  await runAll(api);
  await accept(api, 'c2', fnId);
  await runAll(api);
  const all = await send(api, 'GET', '/v2/calls');
  expect((all as { items: { id: string; status: string }[] }).items).toMatchObject([
    { id: 'c2', status: 'success' },
    { id: 'c1', status: 'success' },
  ]);
  expect(target.connections).toBe(0);
});

it('a change of the annotation applies to the next call, not to those that were accepted before', async () => {
  const [before, after] = [await receiver(), await receiver()];
  const api = await node();
  const fnId = await fn(api, { on_success: { url: before.url() } });
  await accept(api, 'c1', fnId);
  await send(api, 'PUT', `/v2/fns/${fnId}`, {
    annotations: { 'fnfleet/callbacks': { on_success: { url: after.url() } } },
  });
  await accept(api, 'c2', fnId);
  await runAll(api);
  await until(() => before.received.length > 0 && after.received.length > 0);
  expect([before, after].map(({ received }) => JSON.parse(received[0]?.body ?? '').data.call_id)).toEqual(['c1', 'c2']);
});

it('functions that call each other back stop after eight callbacks', async () => {
  const api = await node();
  const first = await fn(api, { on_failure: { fn_id: 'none' } });
  const second = await fn(api, { on_success: { fn_id: first } });
  await send(api, 'PUT', `/v2/fns/${first}`, {
    annotations: { 'fnfleet/callbacks': { on_success: { fn_id: second } } },
  });
  await accept(api, 'c1', first);
  const dead = async () => {
    await runAll(api);
    const { items } = (await send(api, 'GET', '/v2/calls?status=error')) as { items: object[] };
    return items;
  };
  await until(async () => (await dead()).length === 1);
  expect(await dead()).toMatchObject([{ error_code: 'callbackChainTooLong' }]);
  const { items } = (await send(api, 'GET', '/v2/calls?status=success&per_page=100')) as {
    items: { id: string }[];
  };
  expect(items.filter(({ id }) => !id.includes('.'))).toHaveLength(9);
});

it('a node that is killed while it delivers has it delivered again by the next one, with the same id', async () => {
  const target = await receiver((res, nth, req) => nth > 1 && accepts(res, nth, req));
  const settings = { FN_CALLBACK_TIMEOUT_MSECS: '1500' };
  const first = await node(settings);
  const fnId = await fn(first, { on_success: { url: target.url() } });
  await accept(first, 'c1', fnId);
  await runAll(first);
  await until(() => target.received.length >= 1);
  await first.kill();
  // Nobody asks this one for its queue.
  const second = await node(settings);
  await until(() => target.received.length >= 2);
  const ids = target.received.map(({ headers }) => headers['webhook-id']);
  expect(new Set(ids).size).toBe(1);
  expect(ids[0]).toMatch(/^c1_success_\d$/);
  const { keys } = (await send(second, 'GET', `/v2/fns/${fnId}/callbacks/keys`)) as { keys: [string] };
  for (const { headers, body } of target.received) new Webhook(keys[0]).verify(body, headers);
});

it('a node that nobody asks for its queue leaves the file to another one when nothing waits to be delivered', async () => {
  const first = await node();
  const fnId = await fn(first, { on_failure: { fn_id: 'none' } });
  await accept(first, 'c1', fnId);
  await first.kill();
  const second = await node();
  const used = await node();
  await until(async () => (await fetch(`${used.url}/v2/calls/c1`)).status === 200);
  // The one that has it now keeps it.
  await until(async () => (await fetch(`${second.url}/v2/calls/c1`)).status === 503);
});
