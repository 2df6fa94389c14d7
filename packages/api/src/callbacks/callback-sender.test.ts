// takes: 10 s
import { readFileSync } from 'node:fs';
import {
  type Callbacks,
  encodeQueuedRequest,
  encodeQueuedResponse,
  FakeClock,
  FnError,
  silentLogger,
  wallMs,
} from '@fnfleet/core';
import { type CallRecord, type Lease, type MessageQueue, openSqliteQueue } from '@fnfleet/queue';
import { TestCertificates } from '@fnfleet/testing';
import { Webhook } from 'standardwebhooks';
import { accepts, answers, CallbackReceiver, type Script } from '../test-kit/callback-receiver.js';
import { CallbackHosts, type HostAddress } from './callback-hosts.js';
import { CallbackSender, type CallbackSenderParts } from './callback-sender.js';
import { CallbackSigner } from './callback-signature.js';
import { deliveriesOf, followUps } from './follow-ups.js';

const TIMEOUT_MS = 10_000;
const POLICY = { attempts: 1, backoffMs: 0, maxBackoffMs: 0, retryOn: ['function'] as const };
const signer = new CallbackSigner(['the secret of the fleet quite long enough']);
const certificates = new TestCertificates();
const open: { close(): Promise<void> }[] = [];

let clock: FakeClock;
let queue: MessageQueue;
let names: Record<string, () => readonly HostAddress[] | Promise<readonly HostAddress[]>>;

beforeEach(async () => {
  // Verifiers compare with the clock of the machine.
  clock = new FakeClock(Date.now());
  queue = await openSqliteQueue({ path: ':memory:', clock });
  names = {};
});
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
  await queue.close();
  expect(clock.pendingTimers).toBe(0);
});
afterAll(() => certificates.remove());

const local = (address = '127.0.0.1'): readonly HostAddress[] => [{ address, family: 4 }];

async function receiver(script: Script = accepts, ...tls: { cert: string; key: string }[]): Promise<CallbackReceiver> {
  const made = await CallbackReceiver.start(script, ...tls);
  open.push(made);
  return made;
}

function start(more: Partial<CallbackSenderParts> & { allow?: readonly string[] } = {}): CallbackSender {
  const { allow = ['127.0.0.0/8'], ...parts } = more;
  const resolve = async (host: string) => (await names[host]?.()) ?? [];
  const fns = {
    get: async (id: string) => {
      if (id === 'gone') throw new FnError('fnNotFound');
      return { id } as never;
    },
  };
  const sender = new CallbackSender({
    ...{ queue, fns, signer, clock, logger: silentLogger, holder: 'api' },
    hosts: new CallbackHosts(allow, { listed: resolve, other: resolve }),
    limits: { atOnce: 8, perHost: 2, timeoutMs: TIMEOUT_MS },
    ...parts,
  });
  open.push(sender);
  return sender;
}

let calls = 0;

/** A call that has ended, and what follows. @returns its id */
async function ended(
  callbacks: Partial<Callbacks>,
  more: { fnId?: string; hops?: number; body?: Buffer } = {},
): Promise<string> {
  calls += 1;
  const { fnId = 'f', hops = 0, body = Buffer.from('meow') } = more;
  const callId = `C${String(calls).padStart(5, '0')}`;
  const both = { onSuccess: undefined, onFailure: undefined, ...callbacks };
  const request = { method: 'POST', url: 'http://lb/invoke/f', triggerId: '', createdAt: wallMs(0) };
  await queue.push({
    ...{ callId, fnId, policy: POLICY, body: Buffer.from('cat') },
    head: encodeQueuedRequest({ ...request, headers: { 'Content-Type': ['image/cat'], Authorization: ['secret'] } }),
    ...followUps(both, { callId, fnId, hops, now: clock.wallNow() }, 3),
  });
  const [leased] = await queue.reserve({ holder: 'lb', limit: 1, leaseMs: 60_000 });
  const lease = leased?.lease as Lease;
  if (callbacks.onFailure !== undefined) {
    await queue.retry(lease, { kind: 'function', code: 'functionFailed', message: 'no such\ncat' });
    return callId;
  }
  const head = encodeQueuedResponse({ status: 201, headers: { 'Content-Type': ['text/plain'] }, size: body.length });
  await queue.complete(lease, { head, body });
  return callId;
}

const succeeded = (url: string, more = {}) => ended({ onSuccess: { kind: 'url', url } }, more);

/** The delivery after a call, when it has a state. */
async function delivery(callId: string, holds: (record: CallRecord) => boolean, fnId = 'f'): Promise<CallRecord> {
  for (;;) {
    const { calls: found } = await queue.list({ fnId: deliveriesOf(fnId), limit: 100 });
    const record = found.find((each) => each.callId.startsWith(`${callId}.`));
    if (record !== undefined && holds(record)) return (await queue.get(record.callId)) as CallRecord;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
const isOver = ({ state }: CallRecord) => state === 'success' || state === 'dead';

/** Waits until a delivery is over. Time passes while it waits for its next attempt, or `whileRunning` for its receiver. */
async function over(callId: string, whileRunning: (attempt: number) => boolean = () => false): Promise<CallRecord> {
  for (;;) {
    const record = await delivery(callId, () => true);
    if (isOver(record)) return record;
    const { state, attempts } = record;
    if (state === 'delayed' || (state === 'running' && whileRunning(attempts))) await clock.advance(1_000);
    else await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('a receiver', () => {
  it('gets the outcome of a call, signed so that verifiers of Standard Webhooks accept it', async () => {
    const target = await receiver();
    start();
    const callId = await succeeded(target.url('/done?token=1'));
    expect(await over(callId)).toMatchObject({ state: 'success', attempts: 1 });
    const [{ headers, body } = { headers: {}, body: '' }] = target.received;
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'user-agent': expect.stringMatching(/^fnfleet\/\d/),
      'webhook-id': expect.stringMatching(`^${callId}_success_\\d$`),
    });
    const [key = ''] = signer.keysOf('f');
    expect(new Webhook(key).verify(body, headers)).toEqual({
      type: 'call.succeeded',
      timestamp: expect.stringMatching(/^20.*Z$/),
      data: {
        ...{ call_id: callId, fn_id: 'f', status: 'success', attempts: 1 },
        ...{ created_at: expect.any(String), started_at: expect.any(String), completed_at: expect.any(String) },
        result: { status: 201, headers: { 'Content-Type': ['text/plain'] }, encoding: 'utf8', body: 'meow', size: 4 },
      },
    });
    for (const wrong of [`${body} `, body.replace('meow', 'woof')])
      expect(() => new Webhook(key).verify(wrong, headers)).toThrow('No matching signature found');
    const [keyOfOther = ''] = signer.keysOf('g');
    expect(() => new Webhook(keyOfOther).verify(body, headers)).toThrow('No matching signature found');
  });

  it('learns of a failure, and why', async () => {
    const target = await receiver();
    start();
    const callId = await ended({ onFailure: { kind: 'url', url: target.url() } });
    await over(callId);
    expect(JSON.parse(target.received[0]?.body ?? '')).toMatchObject({
      type: 'call.failed',
      data: { call_id: callId, status: 'error', error: 'no such\ncat', error_code: 'functionFailed', attempts: 1 },
    });
  });

  it('gets the first bytes of a result that is not text in base64, and the size of all of it', async () => {
    const target = await receiver();
    start();
    const body = Buffer.alloc(200_000, 0xff);
    await over(await succeeded(target.url(), { body }));
    const { data } = JSON.parse(target.received[0]?.body ?? '');
    expect(data.result).toMatchObject({ encoding: 'base64', size: 200_000 });
    expect(Buffer.from(data.result.body, 'base64')).toEqual(body.subarray(0, 64 * 1024));
  });

  it('verifies with the key of the old secret, or with that of the new one, while one replaces the other', async () => {
    const target = await receiver();
    const both = new CallbackSigner(['the new secret of the fleet so long', 'the old secret of the fleet, so long']);
    start({ signer: both });
    await over(await succeeded(target.url()));
    const [{ headers, body } = { headers: {}, body: '' }] = target.received;
    expect(both.keysOf('f')).toHaveLength(2);
    for (const key of both.keysOf('f')) new Webhook(key).verify(body, headers);
  });

  it('gets a callback again, with the same id and a new signature, until it accepts it', async () => {
    const target = await receiver(answers(500, 429, 200));
    start();
    const callId = await succeeded(target.url());
    expect(await over(callId)).toMatchObject({ state: 'success', attempts: 3, failures: 2 });
    expect(target.received.map(({ headers }) => headers['webhook-id'])).toEqual(
      Array(3).fill(target.received[0]?.headers['webhook-id']),
    );
    expect(new Set(target.received.map(({ headers }) => headers['webhook-timestamp'])).size).toBe(3);
  });

  it('says with Retry-After when to come again, but not later than in an hour', async () => {
    const far = new Date(Date.now() + 9e9).toUTCString();
    const after = ['60', '99999999', far, 'soon', undefined];
    const target = await receiver((res, _nth, req) => {
      const value = after[Number(req.url?.slice(1))];
      res.writeHead(503, value === undefined ? {} : { 'Retry-After': value }).end();
    });
    start();
    const waits: number[] = [];
    for (const n of after.keys()) {
      const callId = await succeeded(target.url(`/${n}`));
      const { history } = await delivery(callId, ({ failures }) => failures === 1);
      expect(history).toMatchObject([{ end: 'retried', reason: { message: '127.0.0.1 answered 503' } }]);
      const isWaiting = async () => {
        const { state, failures } = await delivery(callId, () => true);
        return state === 'delayed' && failures === 1;
      };
      let ms = 0;
      for (; await isWaiting(); ms += 10_000) await clock.advance(10_000);
      waits.push(ms);
      await queue.cancel((await delivery(callId, () => true)).callId);
    }
    // The queue may notice one or two steps later.
    for (const [n, ms] of [60_000, 3_600_000, 3_600_000, 0, 0].entries()) {
      expect(waits[n]).toBeGreaterThanOrEqual(ms);
      expect(waits[n]).toBeLessThanOrEqual(ms + 30_000);
    }
  });
});

const hangs: Script = () => undefined;
const drips: Script = (res) => {
  res.writeHead(200).flushHeaders();
  const timer = setInterval(() => res.write('x'), 5);
  res.on('close', () => clearInterval(timer));
};
const floods: Script = (res) => {
  res.writeHead(200);
  const more = () => {
    while (res.write(Buffer.alloc(64 * 1024)));
    res.once('drain', more);
  };
  more();
};
const redirects: Script = (res, _nth, req) =>
  void res.writeHead(302, { Location: `http://${req.headers.host}/secret` }).end();
const hugeHead: Script = (res) => void res.writeHead(200, { 'X-A': 'a'.repeat(100_000) }).end();
const noHttp: Script = (res) => void res.socket?.end('hello\r\n\r\n');
const switches: Script = (res) =>
  void res.socket?.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n');
const slowHead: Script = (res) => {
  const { socket } = res;
  socket?.write('HTTP/1.1 200 OK\r\n');
  const timer = setInterval(() => socket?.write('X: y\r\n'), 5);
  socket?.on('close', () => clearInterval(timer));
};
const interim: Script = (res) => {
  const timer = setInterval(() => res.writeProcessing(), 5);
  res.on('close', () => clearInterval(timer));
};
const closes: Script = (res) => void res.socket?.destroy();

describe('a receiver that', () => {
  it.each`
    what                              | script          | state        | attempts | code
    ${'hangs'}                        | ${hangs}        | ${'dead'}    | ${3}     | ${'callbackTimeout'}
    ${'sends headers without end'}    | ${slowHead}     | ${'dead'}    | ${3}     | ${'callbackTimeout'}
    ${'sends interim responses only'} | ${interim}      | ${'dead'}    | ${3}     | ${'callbackTimeout'}
    ${'drips its body'}               | ${drips}        | ${'success'} | ${1}     | ${undefined}
    ${'sends a body without end'}     | ${floods}       | ${'success'} | ${1}     | ${undefined}
    ${'sends huge headers'}           | ${hugeHead}     | ${'dead'}    | ${3}     | ${'callbackFailed'}
    ${'speaks another protocol'}      | ${noHttp}       | ${'dead'}    | ${3}     | ${'callbackFailed'}
    ${'switches protocols'}           | ${switches}     | ${'dead'}    | ${1}     | ${'callbackRejected'}
    ${'closes the connection'}        | ${closes}       | ${'dead'}    | ${3}     | ${'callbackFailed'}
    ${'redirects'}                    | ${redirects}    | ${'dead'}    | ${1}     | ${'callbackRejected'}
    ${'answers 400'}                  | ${answers(400)} | ${'dead'}    | ${1}     | ${'callbackRejected'}
    ${'answers 410'}                  | ${answers(410)} | ${'dead'}    | ${1}     | ${'callbackRejected'}
    ${'answers 408'}                  | ${answers(408)} | ${'dead'}    | ${3}     | ${'callbackFailed'}
    ${'answers 500'}                  | ${answers(500)} | ${'dead'}    | ${3}     | ${'callbackFailed'}
  `(
    '$what: $state after $attempts attempts, and the next receiver is served',
    async ({ script, state, attempts, code }) => {
      const bad = await receiver(script);
      const good = await receiver();
      start();
      const callId = await succeeded(bad.url());
      const isWaiting = [hangs, slowHead, interim, drips].includes(script);
      const record = await over(callId, (attempt) => isWaiting && bad.received.length === attempt);
      expect(record).toMatchObject({ state, attempts });
      expect(record.reason?.code).toBe(code);
      expect(bad.connections).toBe(attempts);
      await over(await succeeded(good.url()));
      expect(good.received).toHaveLength(1);
      // Nothing of it stays open.
      while (bad.open > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    },
  );

  it('hangs does not hold up the deliveries of others, and has at most two connections', async () => {
    const bad = await receiver(hangs);
    const good = await receiver();
    names = { 'slow.example': () => local(), 'good.example': () => local() };
    start();
    for (let n = 0; n < 12; n += 1) await succeeded(bad.url('/', 'slow.example'), { fnId: 'slow' });
    for (let n = 0; n < 12; n += 1) await succeeded(bad.url('/', 'slow.example'), { fnId: `slow${n}` });
    while (bad.received.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    // No time passes: what hangs goes on hanging.
    const callIds = [
      await succeeded(good.url('/', 'good.example')),
      await succeeded(good.url('/', 'good.example')),
      await succeeded(good.url('/', 'good.example')),
    ];
    for (const callId of callIds) expect(await delivery(callId, isOver)).toMatchObject({ state: 'success' });
    expect(bad.mostOpen).toBe(2);
  });
});

it('a function with many receivers that hang has at most two connections, and others are served', async () => {
  const bad = await receiver(hangs);
  const good = await receiver();
  names = { 'good.example': () => local() };
  for (let n = 0; n < 9; n += 1) names[`slow${n}.example`] = () => local();
  for (let n = 0; n < 9; n += 1) await succeeded(bad.url('/', `slow${n}.example`), { fnId: 'slow' });
  start();
  while (bad.received.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  for (let n = 0; n < 2; n += 1) {
    const callId = await succeeded(good.url('/', 'good.example'));
    expect(await delivery(callId, isOver)).toMatchObject({ state: 'success' });
  }
  expect(bad.mostOpen).toBe(2);
});

it('many functions whose receivers all hang leave a connection for others, and go on when that is over', async () => {
  const bad = await receiver(hangs);
  const good = await receiver();
  names = { 'good.example': () => local() };
  for (let n = 0; n < 4; n += 1) names[`slow${n}.example`] = () => local();
  for (let n = 0; n < 12; n += 1) await succeeded(bad.url('/', `slow${n % 4}.example`), { fnId: `slow${n % 4}` });
  start();
  while (bad.received.length < 6) await new Promise((resolve) => setTimeout(resolve, 5));
  for (let n = 0; n < 3; n += 1) {
    const callId = await succeeded(good.url('/', 'good.example'));
    expect(await delivery(callId, isOver)).toMatchObject({ state: 'success' });
  }
  expect(bad.mostOpen).toBe(6);
  await clock.advance(TIMEOUT_MS);
  while (bad.received.length < 12) await new Promise((resolve) => setTimeout(resolve, 5));
});

describe('a callback is not sent', () => {
  const forbidden = { state: 'dead', attempts: 1, reason: { code: 'callbackForbidden' } };

  it.each`
    where
    ${'http://127.0.0.1'}
    ${'http://2130706433'}
    ${'http://0x7f.1'}
    ${'http://017700000001'}
    ${'http://127.1'}
    ${'http://127.0.0.1.'}
    ${'http://0'}
    ${'http://[::1]'}
    ${'http://[::]'}
    ${'http://[::ffff:127.0.0.1]'}
    ${'http://[::ffff:7f00:1]'}
    ${'http://[64:ff9b::7f00:1]'}
    ${'http://[2002:7f00:1::]'}
    ${'https://127.0.0.1'}
  `('to this machine under the name $where', async ({ where }) => {
    const target = await receiver();
    start({ allow: [] });
    const callId = await succeeded(`${where}:${target.port}/`);
    expect(await over(callId)).toMatchObject(forbidden);
    expect(target.connections).toBe(0);
  });

  it('to a public name with a local address, and not without TLS', async () => {
    const target = await receiver();
    names = { 'shop.example': () => local(), 'public.example': () => local('93.184.216.34') };
    start({ allow: [] });
    const first = await over(await succeeded(target.url('/', 'shop.example')));
    expect(first).toMatchObject(forbidden);
    expect(first.reason?.message).toBe(
      'shop.example is not a public host (127.0.0.1), and FN_CALLBACK_ALLOW does not allow it',
    );
    const second = await over(await succeeded(target.url('/', 'public.example')));
    expect(second.reason?.message).toBe(
      'public.example would be reached without TLS, which FN_CALLBACK_ALLOW does not allow',
    );
    expect(target.connections).toBe(0);
  });

  it('to another address than the one that was checked, although the name changes its address meanwhile', async () => {
    const [checked, other] = [await receiver(), await receiver()];
    let asked = 0;
    names = {
      'shop.example': () => {
        asked += 1;
        return local(asked === 1 ? '127.0.0.1' : '127.0.0.2');
      },
    };
    start({ allow: ['127.0.0.1'] });
    const callId = await succeeded(checked.url('/', 'shop.example'));
    expect(await over(callId)).toMatchObject({ state: 'success' });
    expect(checked.received[0]?.headers.host).toBe(`shop.example:${checked.port}`);
    expect(asked).toBe(1);
    expect(await over(await succeeded(checked.url('/', 'shop.example')))).toMatchObject(forbidden);
    expect([checked.connections, other.connections]).toEqual([1, 0]);
  });

  it('through a proxy that the environment names', async () => {
    const [target, proxy] = [await receiver(), await receiver()];
    const env = { HTTP_PROXY: proxy.url(''), http_proxy: proxy.url(''), NODE_USE_ENV_PROXY: '1' };
    Object.assign(process.env, env);
    try {
      start();
      await over(await succeeded(target.url()));
    } finally {
      for (const name of Object.keys(env)) delete process.env[name];
    }
    expect([target.connections, proxy.connections]).toEqual([1, 0]);
  });

  it('if the fleet has no secret', async () => {
    const target = await receiver();
    start({ signer: new CallbackSigner([]) });
    const record = await over(await succeeded(target.url()));
    expect(record.reason).toEqual({
      code: 'callbackUnsigned',
      message: 'FN_CALLBACK_SECRET of the API nodes is not set',
    });
    expect(target.connections).toBe(0);
  });

  it.each`
    certificate            | env    | sans                 | state        | code
    ${'with its name'}     | ${''}  | ${['shop.example']}  | ${'success'} | ${undefined}
    ${'with another name'} | ${''}  | ${['other.example']} | ${'dead'}    | ${'ERR_TLS_CERT_ALTNAME_INVALID'}
    ${'with another name'} | ${'0'} | ${['other.example']} | ${'dead'}    | ${'ERR_TLS_CERT_ALTNAME_INVALID'}
  `('to a server that has no certificate for the name: $state $certificate', async ({ env, sans, state, code }) => {
    const files = certificates.files('shop', sans);
    const target = await receiver(accepts, {
      cert: readFileSync(files.cert, 'utf8'),
      key: readFileSync(files.key, 'utf8'),
    });
    names = { 'shop.example': () => local() };
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = env;
    try {
      start({ allow: ['shop.example'], ca: certificates.authority });
      const record = await over(await succeeded(target.url('/', 'shop.example')));
      expect(record.state).toBe(state);
      expect(record.reason?.message).toBe(code && `no response: ${code}`);
      expect(target.received).toHaveLength(state === 'success' ? 1 : 0);
    } finally {
      delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    }
  });

  it.each`
    dns                | answer                                | code
    ${'knows no host'} | ${() => []}                           | ${'callbackFailed'}
    ${'hangs'}         | ${() => new Promise(() => undefined)} | ${'callbackTimeout'}
  `('while the DNS $dns: then it is retried', async ({ answer, code }) => {
    const target = await receiver();
    names = { 'shop.example': answer };
    start();
    const record = await over(await succeeded(target.url('/', 'shop.example')), () => code === 'callbackTimeout');
    expect(record).toMatchObject({ state: 'dead', attempts: 3, reason: { code } });
    expect(target.connections).toBe(0);
  });
});

describe('an outcome for another function', () => {
  const calledBack = async (callbacks: Partial<Callbacks>, more = {}) => {
    const record = await over(await ended(callbacks, more));
    const [call] = await queue.reserve({ holder: 'lb', limit: 1, leaseMs: 60_000 });
    return { record, call, request: call && JSON.parse(call.head) };
  };

  it('is a call of it with the response as its body, and headers that say what happened', async () => {
    start();
    const { record, call, request } = await calledBack({ onSuccess: { kind: 'fn', fnId: 'next' } });
    expect(record.state).toBe('success');
    expect(call).toMatchObject({ fnId: 'next', lease: { callId: expect.stringMatching(/^[0-9A-Z]{26}$/) } });
    expect(Buffer.from(call?.body ?? []).toString()).toBe('meow');
    expect(request).toMatchObject({
      method: 'POST',
      hops: 1,
      headers: {
        'Content-Type': ['text/plain'],
        'Fn-Callback-Status': ['success'],
        'Fn-Callback-Call-Id': [expect.stringMatching(/^C/)],
        'Fn-Callback-Fn-Id': ['f'],
        'Fn-Callback-Attempts': ['1'],
        'Fn-Callback-Response-Status': ['201'],
      },
    });
  });

  it('has the request that failed as its body, without the headers of its caller', async () => {
    start();
    const { call, request } = await calledBack({ onFailure: { kind: 'fn', fnId: 'next' } });
    expect(Buffer.from(call?.body ?? []).toString()).toBe('cat');
    expect(request.headers).toMatchObject({
      'Content-Type': ['image/cat'],
      'Fn-Callback-Status': ['error'],
      'Fn-Callback-Error': ['no such\\u000acat'],
      'Fn-Callback-Error-Code': ['functionFailed'],
    });
    expect(request.headers).not.toHaveProperty('Authorization');
  });

  it.each`
    what                                        | fnId      | hops | code
    ${'does not exist'}                         | ${'gone'} | ${0} | ${'fnNotFound'}
    ${'is the ninth that called back the last'} | ${'next'} | ${8} | ${'callbackChainTooLong'}
  `('is a dead letter if that function $what', async ({ fnId, hops, code }) => {
    start();
    const { record, call } = await calledBack({ onSuccess: { kind: 'fn', fnId } }, { hops });
    expect(record).toMatchObject({ state: 'dead', attempts: 1, reason: { code } });
    expect(call).toBeUndefined();
  });

  it('is a dead letter at once if it is larger than the queue takes', async () => {
    await queue.close();
    queue = await openSqliteQueue({ path: ':memory:', clock, bounds: { maxBodyBytes: 3 } });
    start();
    const { record, call } = await calledBack({ onSuccess: { kind: 'fn', fnId: 'next' } });
    const message = 'The asynchronous call is too large: body, 4 > max 3';
    expect(record).toMatchObject({ state: 'dead', attempts: 1, reason: { code: 'queueMessageTooBig', message } });
    expect(call).toBeUndefined();
  });

  it('is one call although the delivery is repeated', async () => {
    let pushes = 0;
    const lossy = Object.assign(Object.create(queue) as MessageQueue, {
      push: async (message: Parameters<MessageQueue['push']>[0]) => {
        await queue.push(message);
        pushes += 1;
        if (pushes === 1) throw new FnError('databaseSlow');
      },
    });
    start({ queue: lossy });
    const { record } = await calledBack({ onSuccess: { kind: 'fn', fnId: 'next' } });
    expect(record).toMatchObject({ state: 'success', attempts: 2, failures: 0 });
    expect(pushes).toBe(2);
    expect(await queue.reserve({ holder: 'lb', limit: 1, leaseMs: 60_000 })).toEqual([]);
  });
});

describe('an API node that', () => {
  it('is stopped while it delivers: the callback is sent again by the next one, with the same id', async () => {
    const target = await receiver((res, nth) => nth > 1 && accepts(res, nth, res.req));
    const first = start();
    const callId = await succeeded(target.url());
    while (target.received.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await first.close();
    expect(await delivery(callId, () => true)).toMatchObject({ state: 'delayed', attempts: 1, failures: 0 });
    start();
    expect(await over(callId)).toMatchObject({ state: 'success', attempts: 2 });
    expect(new Set(target.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
  });

  it('delivers none leaves them to others', async () => {
    const target = await receiver();
    start({ limits: { atOnce: 0, perHost: 1, timeoutMs: TIMEOUT_MS } });
    const callId = await succeeded(target.url());
    expect(await delivery(callId, () => true)).toMatchObject({ state: 'ready' });
    start();
    expect(await over(callId)).toMatchObject({ state: 'success' });
  });
});
