// takes: 3 s
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type ApiServer, apiSettings, newApiServer } from '@fnfleet/api';
import {
  decodeFrames,
  encodeFrames,
  encodeQueuedRequest,
  encodeQueuedResponse,
  readSettings,
  wallMs,
} from '@fnfleet/core';
import { ApiClient, type FnRef } from '../api-client.js';
import { deploy } from '../deploy/deploy.js';
import { runCommand } from '../test-kit/run-command.js';

let folder: string;
let server: ApiServer;
/** Hands in what it is sent, as a balancer does. */
let balancer: Server;
let api: ApiClient;
let fn: FnRef;
let handedIn: number;
let refusal: { status: number; message: string } | undefined;

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'fnfleet-calls-'));
  handedIn = 0;
  refusal = undefined;
  balancer = createServer(async (req, res) => {
    const parts: Buffer[] = [];
    for await (const part of req) parts.push(part);
    expect([req.url, req.headers['fn-invoke-type']]).toEqual([`/invoke/${fn.id}`, 'async']);
    if (refusal !== undefined) {
      res.writeHead(refusal.status, { 'retry-after': '5' }).end(JSON.stringify({ message: refusal.message }));
      return;
    }
    handedIn += 1;
    const delay = req.headers['fn-delay'];
    await accept(`call${handedIn}`, Buffer.concat(parts), delay === undefined ? undefined : 1_000 * Number(delay));
    res.writeHead(202).end(JSON.stringify({ call_id: `call${handedIn}`, duplicate: false }));
  });
  await new Promise<void>((resolve) => balancer.listen(0, '127.0.0.1', resolve));
  const settings = readSettings(apiSettings, {
    FN_DB_URL: `sqlite3://${folder}/fn.db`,
    FN_MQ_MAX_RESULT: '50',
    FN_PUBLIC_LB_URL: `http://127.0.0.1:${(balancer.address() as AddressInfo).port}`,
  });
  server = newApiServer({ settings, host: '127.0.0.1', port: 0 });
  await server.ready;
  api = new ApiClient(server.address.url);
  for (const name of ['cart', 'till']) {
    await deploy(api, 'shop', { spec: { name, image: 'cart:1' }, triggers: [] });
  }
  fn = (await api.findFn((await api.findApp('shop'))?.id ?? '', 'cart')) as FnRef;
});
afterEach(async () => {
  process.exitCode = undefined;
  await server.close();
  await new Promise((resolve) => balancer.close(resolve));
  rmSync(folder, { recursive: true });
});

async function post(route: string, body: string | Buffer): Promise<Buffer> {
  const response = await fetch(`${server.address.url}/v2/runner/async/${route}`, {
    method: 'POST',
    body: body as string,
  });
  expect(response.status).toBe(200);
  return Buffer.from(await response.arrayBuffer());
}

async function accept(callId: string, body = Buffer.from('cat'), delayMs?: number): Promise<void> {
  const request = { method: 'POST', url: `http://lb/invoke/${fn.id}`, headers: {}, triggerId: '' };
  const head = encodeQueuedRequest({ ...request, createdAt: wallMs(1_000) });
  await post(
    'calls',
    encodeFrames([{ head: JSON.stringify({ call_id: callId, fn_id: fn.id, head, delay_ms: delayMs }), body }]),
  );
}

/** Leases the next call, as a balancer does. @returns a function that says how it ended */
async function take(): Promise<(said: object, body?: Buffer | string) => Promise<unknown>> {
  const [frame] = decodeFrames(await post('reserve', JSON.stringify({ holder: 'lb1', wait_ms: 10_000 })), 1);
  const { call_id, token } = JSON.parse(frame?.head ?? '{}');
  return (said, body = '') => {
    const head = JSON.stringify({ call_id, token, ...said });
    return post('settle', encodeFrames([{ head, body: Buffer.from(body) }]));
  };
}

const answered = (size: number) => ({
  kind: 'complete',
  head: encodeQueuedResponse({ status: 200, headers: {}, size }),
});
const NO_CAT = { kind: 'bury', code: 'functionFailed', message: 'no such cat' };

async function deadLetter(callId: string): Promise<void> {
  await accept(callId, Buffer.from('one cat\nof two'));
  await (await take())(NO_CAT);
}

const run = (...args: string[]) => runCommand(...args, '--api', server.address.url);

/** @returns its lines, white space made one */
async function lines(...args: string[]): Promise<string[]> {
  const { stdout, output, code } = await run(...args);
  expect([code, output]).toEqual([0, stdout]);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/ +/g, ' '));
}

async function fails(...args: string[]): Promise<string> {
  const { output, code } = await run(...args);
  expect(code).toBe(1);
  return output;
}

describe('calls', () => {
  it('lists the calls of a function, newest first, by status, and not more than asked for', async () => {
    expect(await lines('calls', 'shop', 'cart')).toEqual(['no calls']);
    await deadLetter('c1');
    await accept('c2');
    expect(await lines('calls', 'shop', 'cart')).toEqual([
      'CALL STATUS ATTEMPTS ACCEPTED ENDED ERROR',
      expect.stringMatching(/^c2 queued 0 20\S+Z -$/),
      expect.stringMatching(/^c1 error 1 20\S+Z 20\S+Z no such cat$/),
    ]);
    const ids = async (...args: string[]) =>
      JSON.parse((await run('calls', 'shop', 'cart', '--json', ...args)).stdout).map(({ id }: { id: string }) => id);
    expect(await ids('--status', 'error')).toEqual(['c1']);
    expect(await ids('--limit', '1')).toEqual(['c2']);
    expect(await lines('calls', 'shop', 'till')).toEqual(['no calls']);
  });

  it('reads as many pages as it needs', async () => {
    for (let n = 100; n < 205; n += 1) await accept(`c${n}`);
    expect(await lines('calls', 'shop', 'cart', '--limit', '103')).toHaveLength(104);
  });
});

describe('call', () => {
  it('shows the status, the attempts and the result of a call', async () => {
    await accept('c1');
    expect(await lines('call', 'c1')).toEqual([
      ...['call: c1', 'function: shop/cart', 'status: queued', 'priority: 0', 'attempts: 0, 0 failures'],
      expect.stringMatching(/^accepted: 20/),
    ]);
    await (await take())(answered(60), `meow\n\u001b[2J${'m'.repeat(51)}`);
    expect(await lines('call', 'c1')).toEqual([
      ...['call: c1', 'function: shop/cart', 'status: success', 'priority: 0', 'attempts: 1, 0 failures'],
      ...[expect.stringMatching(/^accepted: 20/), expect.stringMatching(/^ended: 20/), ''],
      'ATTEMPT STARTED ENDED END BALANCER ERROR',
      expect.stringMatching(/^1 20\S+Z 20\S+Z completed lb1$/),
      ...['', 'result: status 200', '(the first 50 of 60 bytes)', ' meow', ` \\u001b[2J${'m'.repeat(41)}`],
    ]);
    expect(JSON.parse((await run('call', 'c1', '--json')).stdout)).toMatchObject({ id: 'c1', result: { size: 60 } });
  });

  it('shows when a call runs again, by the policy of its function', async () => {
    const set = (policy: string) =>
      run('update', 'function', 'shop', 'cart', '--annotation', `fnfleet/async=${policy}`);
    expect(await set('{"attempts":0}')).toMatchObject({
      code: 1,
      output: expect.stringContaining('annotation fnfleet/async is not valid: attempts should be a whole number'),
    });
    expect(await set('{"attempts":2,"backoff":3600,"priority":1}')).toMatchObject({ code: 0 });
    await accept('c1');
    await (await take())({ kind: 'retry', blame: 'function', code: 'functionFailed', message: 'no such cat' });
    expect((await lines('call', 'c1')).slice(2, 6)).toEqual([
      ...['status: delayed', 'priority: 1', 'attempts: 1, 1 failure', expect.stringMatching(/^accepted: 20/)],
    ]);
    expect((await lines('call', 'c1'))[6]).toMatch(/^next: 20/);
  });

  it('says that the status of a result is not known', async () => {
    await accept('c1');
    await (await take())({ kind: 'complete' });
    expect((await lines('call', 'c1')).at(-1)).toBe('result: its status is not known');
  });

  it('shows the log of a call', async () => {
    await accept('c1');
    expect(await run('call', 'c1', '--log')).toMatchObject({
      code: 0,
      stdout: '',
      output: expect.stringContaining('nothing'),
    });
    await (await take())({ ...answered(0), log: 'meow\n\u001b[2Jpurr\n' });
    expect(await lines('call', 'c1', '--log')).toEqual(['meow', '\\u001b[2Jpurr']);
    const { stdout } = await run('call', 'c1', '--log', '--json');
    expect(JSON.parse(stdout)).toEqual({ call_id: 'c1', log: 'meow\n\u001b[2Jpurr\n' });
  });

  it('says that a result is not text', async () => {
    await accept('c1');
    await (await take())(answered(2), Buffer.from([0xff, 0]));
    expect((await lines('call', 'c1')).at(-1)).toBe('(2 bytes that are not text; --json shows them in base64)');
  });

  it('says that the call is not known', async () => {
    expect(await fails('call', 'c9')).toBe(
      'fnfleet: this API node knows no asynchronous call c9, or has forgotten it\n',
    );
  });
});

it('cancel cancels a call that waits, and refuses one that has ended', async () => {
  await accept('c1');
  expect(await lines('cancel', 'c1')).toEqual(['cancelled call c1']);
  expect((await api.getCall('c1'))?.status).toBe('cancelled');
  expect(await fails('cancel', 'c1')).toMatch(/409 The call has already ended: cancelled\n$/);
});

describe('dead', () => {
  const status = async (id: string) => (await api.getCall(id))?.status;
  beforeEach(async () => {
    await deadLetter('c1');
    await deadLetter('c2');
  });

  it('list shows the dead letters of all functions, or of one', async () => {
    const both = [
      'CALL FUNCTION STATUS ATTEMPTS ACCEPTED ENDED ERROR',
      expect.stringMatching(/^c2 shop\/cart error 1 .* no such cat$/),
      expect.stringMatching(/^c1 shop\/cart error 1 .* no such cat$/),
    ];
    expect(await lines('dead', 'list')).toEqual(both);
    expect(await lines('dead', 'list', '--app', 'shop', '--function', 'cart')).toEqual(both);
    expect(await lines('dead', 'list', '--app', 'shop', '--function', 'till')).toEqual(['no calls']);
  });

  it('show shows the request of its caller as well', async () => {
    expect(await lines('dead', 'show', 'c1')).toEqual(
      expect.arrayContaining([
        ...['status: error: no such cat', `request: POST http://lb/invoke/${fn.id}`, ' one cat', ' of two'],
      ]),
    );
  });

  it('redrive runs some of them again, or all of a function', async () => {
    expect(await lines('dead', 'redrive', 'c1')).toEqual(['queued again: 1']);
    expect([await status('c1'), await status('c2')]).toEqual(['queued', 'error']);
    expect(await lines('dead', 'redrive', '--app', 'shop', '--function', 'cart')).toEqual(['queued again: 1']);
  });

  it('purge removes some of them, or all of a function, also when it was deleted', async () => {
    expect(JSON.parse((await run('dead', 'purge', 'c1', '--json')).stdout)).toEqual({ changed: 1 });
    expect(await status('c1')).toBeUndefined();
    await api.deleteFn(fn.id);
    expect((await lines('dead', 'list'))[1]).toMatch(`c2 ${fn.id} `);
    expect(await lines('dead', 'purge', '--function', fn.id)).toEqual(['removed: 1']);
    expect(await lines('dead', 'list')).toEqual(['no calls']);
  });

  it.each`
    args                                               | message
    ${['purge']}                                       | ${'give either ids of calls, or --function'}
    ${['purge', 'c1', '--function', 'f']}              | ${'give either ids of calls, or --function'}
    ${['purge', '--app', 'shop']}                      | ${'--app is the app of --function, which is missing'}
    ${['redrive', '--app', 'shop', '--function', 'x']} | ${'app shop has no function x'}
    ${['redrive', 'c1', 'c9']}                         | ${'this API node knows no asynchronous call c9, or has forgotten it'}
    ${['purge', 'c1', 'c3']}                           | ${'call c3 is no dead letter: its status is queued'}
  `('$args changes nothing', async ({ args, message }) => {
    await accept('c3');
    expect(await fails('dead', ...args)).toBe(`fnfleet: ${message}\n`);
    expect([await status('c1'), await status('c2'), await status('c3')]).toEqual(['error', 'error', 'queued']);
  });
});

describe('callbacks', () => {
  beforeEach(async () => {
    const target = '{"on_success":{"url":"https://127.0.0.1:8443/done"}}';
    await run('update', 'function', 'shop', 'cart', '--annotation', `fnfleet/callbacks=${target}`);
    await accept('c1');
    await (await take())(answered(4), 'meow');
    while ((await api.getCall('c1'))?.callbacks?.[0]?.status !== 'error')
      await new Promise((wait) => setTimeout(wait, 20));
  });

  it('are shown with their call, and where they went', async () => {
    const shown = (await lines('call', 'c1')).find((line) => line.startsWith('callback: '));
    expect(shown).toMatch(/^callback: c1\.success\.\d error: FN_CALLBACK_SECRET of the API nodes is not set$/);
    const id = shown?.split(' ')[1] ?? '';
    expect(await lines('dead', 'show', id)).toEqual(
      expect.arrayContaining(['function: shop/cart', 'request: POST https://127.0.0.1:8443/done']),
    );
  });

  it('are dead letters of the function: listed, delivered again and removed with its calls', async () => {
    await deadLetter('c2');
    for (const of of [[], ['--app', 'shop', '--function', 'cart']]) {
      expect(await lines('dead', 'list', ...of)).toEqual([
        'CALL FUNCTION STATUS ATTEMPTS ACCEPTED ENDED ERROR',
        expect.stringMatching(/^c2 shop\/cart error 1 .* no such cat$/),
        expect.stringMatching(/^c1\.success\.\d shop\/cart \(callback\) error 1 .* is not set$/),
      ]);
    }
    expect(await lines('calls', 'shop', 'cart')).toHaveLength(3);
    expect(await lines('dead', 'purge', '--app', 'shop', '--function', 'cart')).toEqual(['removed: 2']);
    expect(await lines('dead', 'list')).toEqual(['no calls']);
  });

  it('have keys, which receivers need', async () => {
    expect(await fails('callback-keys', 'shop', 'cart')).toBe(
      'fnfleet: FN_CALLBACK_SECRET of the API nodes is not set: there are no keys\n',
    );
    await server.close();
    const settings = readSettings(apiSettings, {
      FN_DB_URL: `sqlite3://${folder}/fn.db`,
      FN_CALLBACK_SECRET: `${'new'.repeat(11)},${'old'.repeat(11)}`,
    });
    server = newApiServer({ settings, host: '127.0.0.1', port: 0 });
    await server.ready;
    const keys = await lines('callback-keys', 'shop', 'cart');
    expect(keys).toEqual([expect.stringMatching(/^whsec_[\w+/]{43}=$/), expect.stringMatching(/^whsec_[\w+/]{43}=$/)]);
    expect(await lines('callback-keys', 'shop', 'till')).not.toEqual(keys);
  });
});

describe('invoke --async', () => {
  const invoke = (...args: string[]) => run('invoke', 'shop', 'cart', '--async', '--data', 'cat', ...args);

  it('prints the id of the call, which is in the queue', async () => {
    expect(await invoke()).toMatchObject({ code: 0, output: 'call1\n' });
    expect((await api.getCall('call1'))?.status).toBe('queued');
  });

  it('with --wait prints what the function has answered, as far as it is kept', async () => {
    const waiting = invoke('--wait');
    await (await take())(answered(4), 'meow');
    expect(await waiting).toMatchObject({ code: 0, output: 'meow' });
    const more = invoke('--wait');
    await (await take())(answered(60), 'm'.repeat(60));
    expect(await more).toMatchObject({
      code: 0,
      output: `${'m'.repeat(50)}fnfleet: only the first 50 of 60 bytes are kept\n`,
    });
  });

  it('with --wait fails if the call fails, or does not end in time', async () => {
    const waiting = invoke('--wait');
    await (await take())(NO_CAT);
    expect(await waiting).toMatchObject({
      code: 1,
      output: 'fnfleet: call call1 ended with the status error: no such cat\n',
    });
    expect(await invoke('--wait', '--timeout', '1')).toMatchObject({
      code: 1,
      output: 'fnfleet: call call2 has not ended within 1 s (--timeout): it is queued, and goes on\n',
    });
  });

  it('fails if the call is not accepted', async () => {
    refusal = { status: 503, message: 'The queue of asynchronous calls is full' };
    expect(await invoke()).toMatchObject({
      code: 1,
      output: 'fnfleet: the call was not accepted: 503 The queue of asynchronous calls is full; try again in 5 s\n',
    });
  });

  it('with --delay waits before the call starts', async () => {
    expect(await invoke('--delay', '3600')).toMatchObject({ code: 0, output: 'call1\n' });
    expect((await lines('call', 'call1'))[2]).toBe('status: delayed');
    expect(await fails('invoke', 'shop', 'cart', '--delay', '1', '--data', '')).toMatch(
      /^fnfleet: --delay is for calls/,
    );
  });

  it('--wait alone is refused', async () => {
    expect(await fails('invoke', 'shop', 'cart', '--wait', '--data', '')).toMatch(/^fnfleet: --wait is for calls with/);
  });
});
