import { channel } from 'node:diagnostics_channel';
import type { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import { createLogger, FakeClock, FnError, RecordedMetrics, readSettings, VERSION } from '@fnfleet/core';
import { FakeRunner, reportOf } from '@fnfleet/placement';
import { eventually, FleetCertificates } from '@fnfleet/testing';
import { lbSettings } from '../settings.js';
import { FakeApiNode } from '../test-kit/fake-api-node.js';
import { CONTENTS, type FleetOptions, TestFleet } from '../test-kit/test-fleet.js';
import type { RunnerOptions } from './lb-server.js';

RecordedMetrics.install();

let runner: FakeRunner;
let fleet: TestFleet;

beforeEach(async () => {
  runner = new FakeRunner('r1').finishes({ body: 'x' });
  fleet = await TestFleet.start([runner]);
});
afterEach(() => fleet.close());

it.each`
  rule            | method    | path               | status | body
  ${'http-api 1'} | ${'GET'}  | ${'/'}             | ${200} | ${'{"goto":"https://github.com/fnproject/fn","hello":"world!"}'}
  ${'http-api 2'} | ${'GET'}  | ${'/version'}      | ${200} | ${`{"version":"${VERSION}"}`}
  ${'http-api 5'} | ${'GET'}  | ${'/v2/apps'}      | ${404} | ${'{"message":"Path not found: GET /v2/apps"}\n'}
  ${'http-api 6'} | ${'PUT'}  | ${'/invoke/x'}     | ${405} | ${'{"message":"Method not allowed: PUT /invoke/x"}\n'}
  ${'http-api 6'} | ${'GET'}  | ${'/invoke/x'}     | ${405} | ${'{"message":"Method not allowed: GET /invoke/x"}\n'}
  ${'http-api 5'} | ${'POST'} | ${'/invoke/'}      | ${404} | ${'{"message":"Path not found: POST /invoke/"}\n'}
  ${'http-api 5'} | ${'POST'} | ${'/invoke/a%2Fb'} | ${404} | ${'{"message":"Path not found: POST /invoke/a/b"}\n'}
  ${'http-api 5'} | ${'POST'} | ${'/invoke/%ff'}   | ${400} | ${'{"message":"Bad request: the path is not well encoded"}\n'}
`('$rule: $method $path is $status', async ({ method, path, status, body }) => {
  expect(await fleet.send(path, { method })).toMatchObject({ status, body });
});

it('http-api 8: a path with a superfluous trailing slash is redirected', async () => {
  expect(await fleet.send('/invoke/fn1/?a=1')).toMatchObject({ status: 307, headers: { location: '/invoke/fn1?a=1' } });
});

it('no event of a request or its response gets a second listener, because V8 may keep such pairs of any call', async () => {
  const seconds: string[] = [];
  const watch = (name: string, emitter: EventEmitter) =>
    emitter.on('newListener', (event) => {
      if (emitter.listenerCount(event) > 0) seconds.push(`${name} ${String(event)}`);
    });
  const onStart = (message: unknown) => {
    const { request, response } = message as Record<'request' | 'response', EventEmitter>;
    watch('request', request);
    watch('response', response);
  };
  const starts = channel('http.server.request.start');
  starts.subscribe(onStart);
  await fleet.send('/invoke/fn1');
  starts.unsubscribe(onStart);
  expect(seconds).toEqual([]);
});

it('http-api 3: serves metrics if it is given any', async () => {
  await fleet.close();
  fleet = await TestFleet.start([runner], { metrics: (_req, res) => void res.end('fn_api_request_count 1') });
  expect((await fleet.send('/metrics', { method: 'GET' })).body).toContain('fn_api_request_count');
});

it('http-api 10: lists all missing settings at once', () => {
  expect(() => readSettings(lbSettings, {})).toThrow(
    /2 settings are wrong:\n {2}FN_RUNNER_API_URL: required.*\n {2}FN_RUNNER_ADDRESSES: required/,
  );
});

it.each`
  story               | directory
  ${'does not exist'} | ${'/nowhere/at/all'}
  ${'is a file'}      | ${process.execPath}
`('a spill directory that $story is reported at start', ({ directory }) => {
  expect(() => readSettings(lbSettings, { FN_REPLAY_SPILL_DIR: directory })).toThrow(
    `FN_REPLAY_SPILL_DIR: expected a directory that can be written to, got "${directory}": E`,
  );
});

it('the error about an unknown placer lists the known ones, and nothing has been started', async () => {
  const clock = new FakeClock();
  const start = TestFleet.start([runner], { placer: undefined, clock, env: { FN_PLACER: 'chh' } });
  await expect(start).rejects.toThrow(
    'FN_PLACER: unknown placer "chh"; known: naive, ch, ch-fn, least-loaded, warm-first, prequal',
  );
  expect(clock.pendingTimers).toBe(0);
});

it('two balancers with the same address and port, as in containers on two hosts, generate different call ids', async () => {
  const clock = new FakeClock();
  const ids: unknown[] = [];
  for (let balancer = 0; balancer < 2; balancer += 1) {
    await fleet.close();
    fleet = await TestFleet.start([runner], { clock });
    ids.push((await fleet.send('/invoke/fn1')).headers['fn-call-id']);
  }
  expect(ids[0]).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
  expect(ids[1]).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
  expect(ids[1]).not.toBe(ids[0]);
});

it('http-api 16: a bug in an extension is a 500 with the cause in the log, and the balancer keeps serving', async () => {
  await fleet.close();
  const log = new PassThrough();
  fleet = await TestFleet.start([runner], {
    logger: createLogger({ level: 'info', format: 'text', stream: log }),
    callOverrider: (_request, model) => {
      if (model.url.endsWith('boom')) throw new TypeError('undefined is not a function');
      return {};
    },
  });
  expect(await fleet.send('/invoke/fn1?boom')).toMatchObject({
    status: 500,
    body: '{"message":"internal server error"}\n',
  });
  expect(String(log.read())).toContain('undefined is not a function');
  expect(await fleet.send('/invoke/fn1')).toMatchObject({ status: 200 });
});

it('if an extension throws a value that cannot be inspected, only the connection of that client is closed', async () => {
  await fleet.close();
  const log = new PassThrough();
  fleet = await TestFleet.start([runner], {
    logger: createLogger({ level: 'info', format: 'text', stream: log }),
    callOverrider: (_request, model) => {
      if (!model.url.endsWith('boom')) return {};
      throw new Proxy(new Error('a riddle'), {
        getPrototypeOf() {
          throw new TypeError('nobody may look');
        },
      });
    },
  });
  await expect(fleet.send('/invoke/fn1?boom')).rejects.toThrow(/other side closed|ECONNRESET/);
  expect(String(log.read())).toContain('cannot answer a call');
  expect(await fleet.send('/invoke/fn1')).toMatchObject({ status: 200 });
});

it('a failure that the caller or the function is to blame for is logged only at debug level', async () => {
  const log = new PassThrough();
  for (const level of ['info', 'debug'] as const) {
    await fleet.close();
    const failing = new FakeRunner('r1').fails(new FnError('functionFailed'), 'function');
    fleet = await TestFleet.start([failing], { logger: createLogger({ level, format: 'text', stream: log }) });
    const { headers } = await fleet.send('/invoke/fn1');
    const lines = String(log.read())
      .split('\n')
      .filter((line) => line.includes('call rejected'));
    expect(lines).toHaveLength(level === 'debug' ? 1 : 0);
    if (level === 'debug') expect(lines[0]).toContain(String(headers['fn-call-id']));
  }
});

it('http-api 17, protocol 75: a drain lets the request in flight finish and accepts no other', async () => {
  const arrived = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const slow = new FakeRunner('r1').does(async (call) => {
    arrived.resolve();
    await goOn.promise;
    call.response.writeHead(200, []);
    call.response.write(Buffer.from('done'));
    return { kind: 'finished', report: reportOf(call) };
  });
  await fleet.close();
  fleet = await TestFleet.start([slow]);
  const answer = fleet.send('/invoke/fn1');
  await arrived.promise;

  const { port } = fleet.server.address;
  const drained = fleet.server.drain({ graceMs: 5000 });
  await expect(fleet.raw('GET / HTTP/1.1\r\nHost: h\r\n\r\n', port)).rejects.toThrow(/ECONNREFUSED/);
  expect(slow.closed).toBe(false);
  goOn.resolve();

  expect(await answer).toMatchObject({ status: 200, body: 'done' });
  expect(await drained).toBe('drained');
  expect(slow.closed).toBe(true);
});

it('when the grace period of a drain ends, calls in flight are aborted and the drain reports it', async () => {
  const stuck = new FakeRunner('r1').hangs();
  await fleet.close();
  fleet = await TestFleet.start([stuck]);
  const sent = fleet.send('/invoke/fn1').catch(() => 'broken off');
  await eventually(() => expect(stuck.attempts).toBe(1));
  expect(await fleet.server.drain({ graceMs: 1 })).toBe('expired');
  expect([await sent, stuck.closed]).toEqual(['broken off', true]);
});

it('over TLS the balancer presents its certificate, and runners must have the configured name', async () => {
  const made: [string, RunnerOptions][] = [];
  const identity = new FleetCertificates().identity('balancer');
  await fleet.close();
  fleet = await TestFleet.start([], {
    pool: undefined,
    env: {
      FN_RUNNER_ADDRESSES: 'r1:9190',
      FN_TLS_RUNNER_NAME: 'runner.fleet',
      FN_RUNNER_KEEPALIVE_TIMEOUT_MSECS: '1234',
    },
    tls: identity,
    allowInsecureApi: true,
    createRunner: (address, options) => {
      made.push([address, options]);
      return new FakeRunner(address);
    },
  });
  expect(made).toMatchObject([
    ['r1:9190', { tls: { identity, runnerName: 'runner.fleet' }, keepaliveTimeoutMs: 1234 }],
  ]);
});

it('closing aborts calls in flight at once', async () => {
  const aborted = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  const stuck = new FakeRunner('r1').does(async (_call, signal) => {
    arrived.resolve();
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    aborted.resolve();
    return { kind: 'failed', blame: 'caller', error: signal.reason };
  });
  await fleet.close();
  fleet = await TestFleet.start([stuck]);
  const sent = fleet.send('/invoke/fn1').catch(() => 'broken off');
  await arrived.promise;

  await fleet.server.close();

  await aborted.promise;
  expect(await sent).toBe('broken off');
});

it.each`
  story                             | request                                                                     | status
  ${'is not HTTP'}                  | ${'hello\r\n\r\n'}                                                          | ${400}
  ${'has a NUL in a header'}        | ${'POST /invoke/fn1 HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n'}                | ${400}
  ${'has a head that is too large'} | ${`POST /invoke/fn1 HTTP/1.1\r\nHost: h\r\nX: ${'a'.repeat(2000)}\r\n\r\n`} | ${431}
  ${'names a function with a NUL'}  | ${'POST /invoke/a%00b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n'}    | ${404}
`('a request that $story is answered with $status, and the balancer keeps serving', async ({ request, status }) => {
  await fleet.close();
  fleet = await TestFleet.start([runner], { env: { FN_MAX_REQUEST_HEADER_SIZE: '1000' } });
  expect(await fleet.raw(request)).toMatch(new RegExp(`^HTTP/1.1 ${status} .*\\{"message":".+"\\}\\n$`, 's'));
  expect(await fleet.send('/invoke/fn1')).toMatchObject({ status: 200 });
});

it('a web page from an allowed origin may invoke functions', async () => {
  await fleet.close();
  fleet = await TestFleet.start([runner], { env: { FN_API_CORS_ORIGINS: 'http://a.com' } });
  const from = (origin: string) => fleet.send('/invoke/fn1', { headers: { Origin: origin } });
  expect(await from('http://b.com')).toMatchObject({ status: 403, body: '' });
  expect(await from('http://a.com')).toMatchObject({
    status: 200,
    headers: { 'access-control-allow-origin': 'http://a.com' },
  });
});

describe('calls that wait for capacity', () => {
  /** Keeps a call waiting, and sends another: what the other gets, and how many wait then. */
  async function second(options: FleetOptions): Promise<unknown> {
    const full = new FakeRunner('r1').does(async (call) => {
      await full.readBody(call);
      return { kind: 'refused', reason: 'busy', error: new FnError('serverBusy') };
    });
    await fleet.close();
    // Time stands still: nobody looks again by themselves.
    fleet = await TestFleet.start([full], { clock: new FakeClock(), ...options });
    const waiting = () => fleet.server.agent.fleetStatus()?.waiting;
    let status: number | string | undefined;
    const send = async () => {
      const answer = await fleet.send('/invoke/fn1', { body: 'x'.repeat(1000) });
      status ??= answer.status;
    };
    const first = send().catch(() => undefined);
    await eventually(() => expect(waiting()).toBe(1));
    const other = send().catch(() => undefined);
    await eventually(() => expect(status ?? waiting()).not.toBe(1));
    status ??= 'waits';
    await fleet.hangUp();
    await Promise.all([first, other]);
    return status;
  }

  it.each`
    story                                    | env                               | status
    ${'the queue takes two calls'}           | ${{ FN_QUEUE_MAX_CALLS: '2' }}    | ${'waits'}
    ${'the queue takes one call'}            | ${{ FN_QUEUE_MAX_CALLS: '1' }}    | ${503}
    ${'the queue takes the bytes in memory'} | ${{ FN_QUEUE_MAX_BYTES: '1000' }} | ${'waits'}
    ${'the queue takes one byte less'}       | ${{ FN_QUEUE_MAX_BYTES: '999' }}  | ${503}
  `('$story: $status', async ({ env, status }) => {
    // Or what has come of the second body would be in memory, too.
    expect(await second({ env: { ...env, FN_COMPLETE_BODY_BYTES: '0' } })).toBe(status);
  });

  it('options that an embedder does not set have their defaults', async () => {
    const api = await FakeApiNode.start(CONTENTS);
    expect(await second({ settings: { runnerApiUrl: api.url } })).toBe('waits');
    await api.close();
  });
});
