import { PassThrough } from 'node:stream';
import { createLogger, FnError, PeerError, RecordedMetrics, silentLogger } from '@fnfleet/core';
import { FakeRunner } from '@fnfleet/placement';
import { CONTENTS, type FleetOptions, TestFleet } from './test-kit/test-fleet.js';

const metrics = RecordedMetrics.install();
const JSON_TYPE = 'application/json; charset=utf-8';

let runner: FakeRunner;
let fleet: TestFleet;

async function start(options: FleetOptions = {}, others: FakeRunner[] = []): Promise<void> {
  fleet = await TestFleet.start([runner, ...others], options);
}

beforeEach(() => {
  metrics.reset();
  runner = new FakeRunner('r1');
});
afterEach(() => fleet.close());

describe('what a client receives', () => {
  it('while an image is being pulled: its name and when to retry; no other runner starts a pull', async () => {
    const text = "The image 'shop/cart:1' is being pulled, try again later";
    runner.fails(new PeerError(503, text, 'platform', '12 of 80 MB so far', 7), 'balancer').finishes({ body: 'x' });
    const other = new FakeRunner('r2').finishes();
    const stream = new PassThrough();
    await start({ logger: createLogger({ level: 'info', format: 'text', stream }) }, [other]);
    const answer = await fleet.send('/invoke/fn1');
    expect(answer).toMatchObject({ status: 503, body: `${JSON.stringify({ message: text })}\n` });
    expect(answer.headers['retry-after']).toBe('7');
    expect(other.attempts).toBe(0);
    expect(`${stream.read() ?? ''}`).not.toContain('call failed');
    expect(await fleet.send('/invoke/fn1')).toMatchObject({ status: 200, body: 'x' });
  });

  it('http-api 75: the response of the function, its exact length, and the call id', async () => {
    runner.finishes({ headers: [['Content-Type', 'foo/bar']], body: 'x' });
    await start();

    const answer = await fleet.send('/invoke/fn1', { body: 'in' });

    expect(answer).toMatchObject({ status: 200, body: 'x' });
    expect(answer.headers).toMatchObject({ 'content-type': 'foo/bar', 'content-length': '1' });
    expect(answer.headers['fn-call-id']).toMatch(/^[0-9A-Z]{26}$/);
    expect(runner.bodies).toEqual([Buffer.from('in')]);
  });

  it('http-api 76: Fn-Http headers of the function unchanged, with status 200', async () => {
    runner.finishes({
      headers: [
        ['Fn-Http-Status', '404'],
        ['Fn-Http-H-A', 'b'],
      ],
    });
    await start();

    const answer = await fleet.send('/invoke/fn1');

    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({ 'fn-http-status': '404', 'fn-http-h-a': 'b' });
  });

  it('http-api 77: length 0 for an empty response', async () => {
    runner.finishes();
    await start();
    expect(await fleet.send('/invoke/fn1')).toMatchObject({
      status: 200,
      body: '',
      headers: { 'content-length': '0' },
    });
  });

  it('http-api 88: every value of a repeated header, and no hop-by-hop headers of the runner', async () => {
    runner.finishes({
      headers: [
        ['Set-Cookie', 'a=1'],
        ['set-cookie', 'b=2'],
        ['Transfer-Encoding', 'chunked'],
        ['Keep-Alive', 'timeout=1'],
        ['Content-Length', '77'],
        ['Fn-Call-Id', 'made-up'],
        ['X-Name', 'Zoë ✓'],
      ],
      body: 'x',
    });
    await start();

    const { headers } = await fleet.send('/invoke/fn1');

    expect(headers['set-cookie']).toEqual(['a=1', 'b=2']);
    expect(headers['content-length']).toBe('1');
    expect(headers['fn-call-id']).not.toBe('made-up');
    expect(headers['transfer-encoding']).toBeUndefined();
    expect(Buffer.from(String(headers['x-name']), 'latin1').toString()).toBe('Zoë ✓');
  });

  it('a header that is invalid in HTTP makes the response invalid, and does not harm the balancer', async () => {
    runner.finishes({ headers: [['X-Evil', 'a\r\nSet-Cookie: b']] }).finishes();
    await start();

    expect(await fleet.send('/invoke/fn1')).toMatchObject({
      status: 502,
      body: '{"message":"invalid function response"}\n',
    });
    expect(await fleet.send('/invoke/fn1')).toMatchObject({ status: 200 });
  });

  it.each`
    what                                             | status        | headers
    ${'an informational status'}                     | ${100}        | ${[]}
    ${'a protocol switch that nobody requested'}     | ${101}        | ${[]}
    ${'a status of four digits'}                     | ${1000}       | ${[]}
    ${'a negative status'}                           | ${-1}         | ${[]}
    ${'a status that is not a number'}               | ${Number.NaN} | ${[]}
    ${'a header without a name'}                     | ${200}        | ${[['', 'x']]}
    ${'a header with a space in its name'}           | ${200}        | ${[['a b', 'x']]}
    ${'a header with a NUL'}                         | ${200}        | ${[['X-A', '\0']]}
    ${'a header value that begins another response'} | ${200}        | ${[['X-A', 'a\r\n\r\nHTTP/1.1 200 OK']]}
    ${'a header name that begins another header'}    | ${200}        | ${[['X-A: b\r\nX-B', 'a']]}
  `('a response with $what is a 502, and the balancer survives', async ({ status, headers }) => {
    runner.does(async (call) => {
      call.response.writeHead(status, headers);
      throw new Error('the writer has taken it');
    });
    runner.finishes({ body: 'ordinary' });
    await start();
    expect(await fleet.send('/invoke/fn1')).toMatchObject({
      status: 502,
      body: '{"message":"invalid function response"}\n',
    });
    expect(await fleet.send('/invoke/fn1')).toMatchObject({ status: 200, body: 'ordinary' });
  });

  it('http-api 84: two calls have different ids', async () => {
    runner.finishes();
    await start();
    const [one, two] = await Promise.all([fleet.send('/invoke/fn1'), fleet.send('/invoke/fn1')]);
    expect(one.headers['fn-call-id']).not.toBe(two.headers['fn-call-id']);
  });
});

describe('failures', () => {
  it.each`
    story                                                                      | error                                                | status | message
    ${'http-api 78, protocol 72: the function failed'}                         | ${new PeerError(502, 'function failed', 'function')} | ${502} | ${'function failed'}
    ${'http-api 79: the function timed out'}                                   | ${new PeerError(504, 'Timed out', 'function')}       | ${504} | ${'Timed out'}
    ${'http-api 90: the runner does not support it'}                           | ${new PeerError(501, 'not supported', 'platform')}   | ${501} | ${'not supported'}
    ${'a runner’s error without a code is a 500'}                              | ${new PeerError(0, 'hex: odd length', 'platform')}   | ${500} | ${'hex: odd length'}
    ${'an error code that is not an HTTP status'}                              | ${new PeerError(1, 'odd', 'platform')}               | ${500} | ${'odd'}
    ${'an error code that means success'}                                      | ${new PeerError(200, 'odd', 'platform')}             | ${500} | ${'odd'}
    ${'http-api 82, protocol 73: the stream broke; no second runner is tried'} | ${new Error('14 UNAVAILABLE: connection reset')}     | ${500} | ${'internal server error'}
  `('$story', async ({ error, status, message }) => {
    const second = new FakeRunner('r2').finishes();
    runner.fails(error);
    await start({}, [second]);

    const answer = await fleet.send('/invoke/fn1', { body: 'in' });

    expect(answer).toMatchObject({ status, body: `${JSON.stringify({ message })}\n` });
    expect(answer.headers).toMatchObject({ 'content-type': JSON_TYPE, 'fn-call-id': expect.any(String) });
    expect(second.attempts).toBe(0);
  });

  it('an error response has no headers of the function, only the call id', async () => {
    runner.does(async (call) => {
      call.response.writeHead(200, [
        ['X-From-Function', '1'],
        ['Content-Length', '999'],
      ]);
      call.response.write(Buffer.from('half'));
      return { kind: 'failed', blame: 'function', error: new PeerError(502, 'function failed', 'function') };
    });
    await start();

    const answer = await fleet.send('/invoke/fn1');

    expect(answer).toMatchObject({ status: 502, body: '{"message":"function failed"}\n' });
    expect(answer.headers['x-from-function']).toBeUndefined();
    expect(answer.headers['fn-call-id']).toBeDefined();
  });

  it('http-api 78: metrics record the blame', async () => {
    runner
      .fails(new PeerError(502, 'function failed', 'function'))
      .fails(new Error('reset'))
      .finishes();
    await start();
    for (let i = 0; i < 3; i += 1) await fleet.send('/invoke/fn1');

    const labels = { path: '/invoke/:fn_id', method: 'POST' };
    expect(metrics.sum('api/response_count', { ...labels, status: 502, blame: 'user' })).toBe(1);
    expect(metrics.sum('api/response_count', { ...labels, status: 500, blame: 'service' })).toBe(1);
    expect(metrics.sum('api/response_count', { ...labels, status: 200, blame: 'user' })).toBe(1);
  });

  it('http-api 80, protocol 70: every runner is full for the whole placement time', async () => {
    runner.refuses();
    await start({ env: { FN_PLACER_TIMEOUT_MSECS: '30' } });

    const answer = await fleet.send('/invoke/fn1', { body: 'in' });

    expect(answer).toMatchObject({ status: 503, body: '{"message":"Timed out - server too busy"}\n' });
    expect(answer.headers).toMatchObject({ 'retry-after': '15', 'fn-call-id': expect.any(String) });
    expect(runner.attempts).toBeGreaterThan(1);
  });

  it('a full fleet sends Retry-After if it can estimate when there is capacity', async () => {
    runner.fails(new FnError('serverBusy', { retryAfterSeconds: 4 }));
    await start();
    const answer = await fleet.send('/invoke/fn1', { body: 'in' });
    expect(answer).toMatchObject({ status: 503, body: '{"message":"Timed out - server too busy"}\n' });
    expect(answer.headers).toMatchObject({ 'retry-after': '4', 'fn-call-id': expect.any(String) });
  });

  it('http-api 83: an unknown function is 404', async () => {
    await start();
    const answer = await fleet.send('/invoke/nope', { body: 'x'.repeat(100_000) });
    expect(answer).toMatchObject({ status: 404, body: '{"message":"Fn not found"}\n' });
    expect(answer.headers['fn-call-id']).toBeUndefined();
  });
});

/** To be called where there is only room for an expression. */
function raise(text: string): never {
  throw new Error(text);
}

describe('whatever a call fails with', () => {
  const unhandled: unknown[] = [];
  const onUnhandled = (reason: unknown) => unhandled.push(reason);
  beforeEach(() => process.on('unhandledRejection', onUnhandled));
  afterEach(() => {
    process.off('unhandledRejection', onUnhandled);
    expect(unhandled.splice(0)).toEqual([]);
  });

  it.each`
    what                                                       | thrown                                                                            | status
    ${'a code that is not a status'}                           | ${new PeerError(1, 'one', 'platform')}                                            | ${500}
    ${'a code that means success'}                             | ${new PeerError(200, 'fine', 'platform')}                                         | ${500}
    ${'a code with too many digits'}                           | ${new PeerError(1_000_000, 'much', 'platform')}                                   | ${500}
    ${'an FnError with an invalid status'}                     | ${new FnError('internal', { status: 99 })}                                        | ${500}
    ${'a message with characters that are invalid in headers'} | ${new PeerError(502, 'a\r\nSet-Cookie: x\0\ud800', 'function')}                   | ${502}
    ${'a retry delay that is not a number'}                    | ${new FnError('serverBusy', { retryAfterSeconds: Number.NaN })}                   | ${503}
    ${'an infinite retry delay'}                               | ${new FnError('serverBusy', { retryAfterSeconds: Number.POSITIVE_INFINITY })}     | ${503}
    ${'undefined'}                                             | ${undefined}                                                                      | ${500}
    ${'null'}                                                  | ${null}                                                                           | ${500}
    ${'a string'}                                              | ${'oops'}                                                                         | ${500}
    ${'an error that throws when it is inspected'}             | ${Object.defineProperty(new Error(), 'message', { get: () => raise('no look') })} | ${500}
  `('the client gets an answer: $what', async ({ thrown, status }) => {
    await start({
      placement: {
        countsCalls: false,
        place: () => Promise.reject(thrown),
        outlook: () => Promise.reject(thrown),
        close: async () => undefined,
      },
      logger: { ...silentLogger, error: (_text, fields) => void String((fields?.error as Error)?.message) },
    });
    const answer = await fleet.send('/invoke/fn1', { body: 'in' });
    expect(answer.status).toBe(status);
    expect(answer.headers['retry-after'] ?? '1').toMatch(/^\d+$/);
    expect(JSON.parse(answer.body)).toEqual({ message: expect.any(String) });
    expect((await fleet.send('/version', { method: 'GET' })).status).toBe(200);
  });
});

describe('what a runner receives', () => {
  it('http-api 81, protocol 13: the whole body again after another runner has refused', async () => {
    const body = Buffer.alloc(100_000, 'abc');
    const second = new FakeRunner('r2').finishes();
    runner.does(async (call) => {
      await runner.readBody(call);
      return { kind: 'refused', reason: 'busy', error: new FnError('serverBusy') };
    });
    await start({}, [second]);

    expect(await fleet.send('/invoke/fn1', { body })).toMatchObject({ status: 200 });
    expect(second.bodies.map((received) => received.equals(body))).toEqual([true]);
  });

  it('only a client that asks for an explanation learns where its call ran and after how many attempts', async () => {
    const second = new FakeRunner('r2').finishes();
    runner.does(async () => ({ kind: 'refused', reason: 'busy', error: new FnError('serverBusy') }));
    await start({}, [second]);

    const asked = await fleet.send('/invoke/fn1', { headers: { 'fn-explain': '1' } });
    expect(asked.headers['fn-explain']).toMatch(/^runner=r2; attempts=2/);
    expect((await fleet.send('/invoke/fn1')).headers['fn-explain']).toBeUndefined();
  });

  it('http-api 86, 87: configuration and annotations of app and function, those of the function first', async () => {
    runner.finishes();
    await start();
    await fleet.send('/invoke/fn1?x=1', { headers: { 'X-Two': ['a', 'b'], Authorization: 'token' }, body: 'in' });

    const { model, slotHash, extensions } = runner.offered[0] ?? {};
    expect(model).toMatchObject({
      type: 'sync',
      image: 'shop/cart:1',
      appId: 'app1',
      appName: 'shop',
      fnId: 'fn1',
      triggerId: '',
      method: 'POST',
      url: `${fleet.url}/invoke/fn1?x=1`,
      timeoutSeconds: 30,
      idleTimeoutSeconds: 30,
      memoryMb: 128,
    });
    expect(model?.config).toEqual({
      A: '1',
      B: '2',
      FN_MEMORY: '128',
      FN_TYPE: 'sync',
      FN_FN_ID: 'fn1',
      FN_APP_ID: 'app1',
    });
    expect(model?.annotations).toEqual({ both: 'fn', app: 'x' });
    expect(model?.headers).toMatchObject({ 'X-Two': ['a', 'b'], Authorization: ['token'], 'Content-Length': ['2'] });
    expect(model?.headers).not.toHaveProperty('Host');
    expect([slotHash, extensions]).toEqual(['', {}]);
  });

  it('http-api 92: a detached call only if the header has exactly that value', async () => {
    runner.finishes({ body: 'x' });
    await start();
    for (const word of ['Detached', 'Async']) {
      expect(await fleet.send('/invoke/fn1', { headers: { 'Fn-Invoke-Type': word } })).toMatchObject({ body: 'x' });
    }
    expect(runner.offered.map((call) => call.model.type)).toEqual(['sync', 'sync']);
  });

  it('the request id, if a header for it is configured', async () => {
    runner.finishes();
    await start({ env: { FN_RID_HEADER: 'X-Rid' } });
    await fleet.send('/invoke/fn1', { headers: { 'X-Rid': 'mine' } });
    await fleet.send('/invoke/fn1');
    expect(runner.offered[0]?.requestId).toBe('mine');
    expect(runner.offered[1]?.requestId).toMatch(/^[0-9A-Z]{26}$/);
  });

  it.each`
    what                     | name               | kept
    ${'as long as allowed'}  | ${'r'.repeat(256)} | ${true}
    ${'longer'}              | ${'r'.repeat(257)} | ${false}
    ${'20 kB long'}          | ${'r'.repeat(2e4)} | ${false}
    ${'not printable ASCII'} | ${'caf\xe9'}       | ${false}
    ${'with a tab'}          | ${'a\tb'}          | ${false}
    ${'with a space'}        | ${'a b'}           | ${true}
  `('a request id that is $what: kept $kept', async ({ name, kept }) => {
    runner.finishes();
    await start({ env: { FN_RID_HEADER: 'X-Rid' } });
    expect((await fleet.send('/invoke/fn1', { headers: { 'X-Rid': name } })).status).toBe(200);
    const { requestId } = runner.offered[0] ?? {};
    if (kept) expect(requestId).toBe(name);
    else expect(requestId).toMatch(/^[0-9A-Z]{26}$/);
  });
});

it('an embedder’s middleware sees invocations too', async () => {
  runner.finishes({ body: 'x' });
  const seen: string[] = [];
  await start({
    middleware: [
      (req, _res, next) => {
        seen.push(req.path);
        next();
      },
    ],
  });
  expect(await fleet.send('/invoke/fn1', { body: 'in' })).toMatchObject({ status: 200, body: 'x' });
  expect(seen).toEqual(['/invoke/fn1']);
  expect(metrics.sum('api/request_count')).toBe(1);
});

it('http-api 83: cached values of one function are not used for another', async () => {
  runner.finishes();
  const [fn] = CONTENTS.fns ?? [];
  await start({
    contents: {
      ...CONTENTS,
      fns: [
        { ...fn, id: 'fn1' },
        { ...fn, id: 'fn2', image: 'shop/other:1' },
      ],
    },
  });
  await fleet.send('/invoke/fn1');
  await fleet.send('/invoke/fn2');
  expect(runner.offered.map((call) => call.model.image)).toEqual(['shop/cart:1', 'shop/other:1']);
});
