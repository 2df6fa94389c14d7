// takes: 18 s
import { connect, type Socket } from 'node:net';
import { MIB, RecordedMetrics } from '@fnfleet/core';
import { FakeRunner, reportOf } from '@fnfleet/placement';
import { TestFleet } from './test-kit/test-fleet.js';

const metrics = RecordedMetrics.install();

/** What is held for calls: nothing of it may be left when its caller is gone. */
const HELD = ['queued', 'running', 'lb_queue_waiting', 'lb_replay_memory_bytes', 'lb_replay_disk_bytes'] as const;
const BIG = 64 * MIB;

let fleet: TestFleet;
let runner: FakeRunner;
const sockets: Socket[] = [];
const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown) => unhandled.push(reason);

beforeEach(async () => {
  metrics.reset();
  process.on('unhandledRejection', onUnhandled);
  runner = new FakeRunner('r1').does(async (call, signal) => {
    const gone = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    gone.catch(() => undefined);
    const body = await Promise.race([runner.readBody(call), gone]);
    call.response.writeHead(200, [['Content-Type', 'text/plain']]);
    if (call.model.url.endsWith('/hot?big')) {
      for (let sent = 0; sent < BIG; sent += MIB) {
        if (call.response.write(Buffer.alloc(MIB))) continue;
        await Promise.race([new Promise<void>((resolve) => call.response.onDrain(resolve)), gone]);
      }
    } else {
      call.response.write(Buffer.from(`ran with ${body.length}`));
    }
    return { kind: 'finished', report: reportOf(call) };
  });
  fleet = await TestFleet.start([runner], {
    env: {
      // Looked at as often as that: a head is answered by twice this time, and before its connection counts as stalled.
      FN_REQUEST_HEADER_READ_TIMEOUT: '500ms',
      FN_HTTP_STALL_TIMEOUT: '2500ms',
      FN_HTTP_MAX_CONNECTIONS: '60',
      FN_MAX_REQUEST_SIZE: '100000',
    },
  });
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  // An ordinary call is served, and nothing is held for the others.
  expect(await ordinary()).toBe(true);
  await fleet.hangUp();
  expect(await fleet.server.drain({ graceMs: 10_000 })).toBe('drained');
  expect(HELD.map((name) => [name, metrics.sum(name)])).toEqual(HELD.map((name) => [name, 0]));
  await fleet.close();
  process.off('unhandledRejection', onUnhandled);
  expect(unhandled.splice(0)).toEqual([]);
});

async function ordinary(): Promise<boolean> {
  const answer = await fleet.send('/invoke/fn1', { body: 'in' }).catch(() => undefined);
  if (answer !== undefined) expect(answer).toMatchObject({ status: 200, body: 'ran with 2' });
  return answer !== undefined;
}

/** A connection that has sent these bytes. */
function dial(bytes: string): Socket {
  const socket = connect(fleet.server.address.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(bytes, 'latin1');
  sockets.push(socket);
  return socket;
}

/** All that comes until the balancer closes the connection; what a reset cuts off may be missing. */
function received(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.setEncoding('latin1');
    socket.on('data', (more) => {
      text += more;
    });
    socket.on('close', () => resolve(text));
  });
}

const closed = (socket: Socket) => new Promise<void>((resolve) => socket.once('close', () => resolve()));

const to = (path: string, ...headers: string[]) =>
  `POST ${path} HTTP/1.1\r\n${['Host: h', ...headers].join('\r\n')}\r\n\r\n`;
const CALL = to('/invoke/fn1', 'Content-Length: 2');
const LAST = `${to('/invoke/fn1', 'Content-Length: 2', 'Connection: close')}in`;
const CHUNKED = 'Transfer-Encoding: chunked';
/** An error of ours, with a clear text, and the connection closed. */
const refused = (status: number) => new RegExp(`^HTTP/1.1 ${status} .*\\{"message":".+"\\}\\n$`, 's');
const SERVED = /^HTTP\/1\.1 200 OK.*ran with 2.*HTTP\/1\.1 200 OK.*ran with 2/s;

describe('a caller that sends', () => {
  it.each`
    what                                         | sends                                                                              | answer
    ${'bytes that are not HTTP'}                 | ${'\x00\x01\x02\xff\r\n\r\n'}                                                      | ${refused(400)}
    ${'a TLS hello to a port in plain text'}     | ${'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'}                                  | ${refused(400)}
    ${'the preface of HTTP/2'}                   | ${'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'}                                              | ${refused(400)}
    ${'an HTTP/0.9 request'}                     | ${'GET /\r\n'}                                                                     | ${refused(408)}
    ${'an unknown HTTP version'}                 | ${'GET / HTTP/9.9\r\nHost: h\r\n\r\n'}                                             | ${refused(400)}
    ${'an unknown method'}                       | ${'STEAL /invoke/fn1 HTTP/1.1\r\nHost: h\r\n\r\n'}                                 | ${refused(400)}
    ${'no Host header'}                          | ${'POST /invoke/fn1 HTTP/1.1\r\nContent-Length: 0\r\n\r\n'}                        | ${/^HTTP\/1\.1 400 /}
    ${'a head that never ends'}                  | ${'POST /invoke/fn1 HTTP/1.1\r\nHost: h\r\nX: y'}                                  | ${refused(408)}
    ${'half a request line'}                     | ${'POST /inv'}                                                                     | ${refused(408)}
    ${'a target of 1 MB'}                        | ${`GET /t/shop/hot?${'q'.repeat(MIB)} HTTP/1.1\r\nHost: h\r\n\r\n`}                | ${/^(HTTP\/1\.1 431 .*|)$/s}
    ${'a header of 1 MB'}                        | ${to('/invoke/fn1', `X: ${'x'.repeat(MIB)}`)}                                      | ${/^(HTTP\/1\.1 431 .*|)$/s}
    ${'10 000 headers'}                          | ${to('/invoke/fn1', ...Array(10_000).fill('a:b'))}                                 | ${/^(HTTP\/1\.1 431 .*|)$/s}
    ${'2 000 headers that fit'}                  | ${to('/invoke/fn1', ...Array(2000).fill('a:b'))}                                   | ${refused(431)}
    ${'a NUL in a header'}                       | ${to('/invoke/fn1', 'X: a\0b')}                                                    | ${refused(400)}
    ${'bare line feeds in a head'}               | ${'POST /invoke/fn1 HTTP/1.1\nHost: h\n\n'}                                        | ${refused(400)}
    ${'a header folded over two lines'}          | ${to('/invoke/fn1', 'X: a', ' Content-Length: 5')}                                 | ${refused(400)}
    ${'a space before the colon'}                | ${to('/invoke/fn1', 'Content-Length : 2')}                                         | ${refused(400)}
    ${'two lengths'}                             | ${`${to('/invoke/fn1', 'Content-Length: 2', 'Content-Length: 3')}in`}              | ${refused(400)}
    ${'the same length twice'}                   | ${`${to('/invoke/fn1', 'Content-Length: 2', 'Content-Length: 2')}in`}              | ${refused(400)}
    ${'a list of lengths'}                       | ${`${to('/invoke/fn1', 'Content-Length: 2, 2')}in`}                                | ${refused(400)}
    ${'a length with a sign'}                    | ${`${to('/invoke/fn1', 'Content-Length: +2')}in`}                                  | ${refused(400)}
    ${'a negative length'}                       | ${to('/invoke/fn1', 'Content-Length: -1')}                                         | ${refused(400)}
    ${'a length of 30 digits'}                   | ${to('/invoke/fn1', `Content-Length: ${'9'.repeat(30)}`)}                          | ${refused(400)}
    ${'a length and chunks'}                     | ${`${to('/invoke/fn1', 'Content-Length: 2', CHUNKED)}0\r\n\r\n`}                   | ${refused(400)}
    ${'a transfer encoding other than chunked'}  | ${`${to('/invoke/fn1', 'Transfer-Encoding: identity')}in`}                         | ${refused(400)}
    ${'chunked, but not last'}                   | ${`${to('/invoke/fn1', 'Transfer-Encoding: chunked, gzip')}in`}                    | ${refused(400)}
    ${'an encoding that looks like chunked'}     | ${`${to('/invoke/fn1', 'Transfer-Encoding: xchunked')}0\r\n\r\n`}                  | ${refused(400)}
    ${'a chunk size that is not a number'}       | ${`${to('/invoke/fn1', CHUNKED)}zz\r\n`}                                           | ${refused(400)}
    ${'a chunk size of 20 digits'}               | ${`${to('/invoke/fn1', CHUNKED)}${'F'.repeat(20)}\r\n`}                            | ${refused(400)}
    ${'a chunk longer than its size'}            | ${`${to('/invoke/fn1', CHUNKED)}1\r\nabc\r\n`}                                     | ${refused(400)}
    ${'a chunk extension of 1 MB'}               | ${`${to('/invoke/fn1', CHUNKED)}1;${'e'.repeat(MIB)}\r\na\r\n`}                    | ${/^(HTTP\/1\.1 4(00|13) .*|)$/s}
    ${'a trailer that never ends'}               | ${`${to('/invoke/fn1', CHUNKED)}0\r\nX: ${'x'.repeat(MIB)}`}                       | ${/^(HTTP\/1\.1 4(00|31) .*|)$/s}
    ${'a body that breaks off'}                  | ${`${CALL}i`}                                                                      | ${refused(408)}
    ${'chunks that break off'}                   | ${`${to('/invoke/fn1', CHUNKED)}1\r\ni\r\n`}                                       | ${refused(408)}
    ${'no byte of its body'}                     | ${to('/invoke/fn1', 'Content-Length: 100')}                                        | ${refused(408)}
    ${'a body above the size limit'}             | ${to('/invoke/fn1', 'Content-Length: 100001')}                                     | ${refused(413)}
    ${'one, and waits for leave to send it'}     | ${to('/invoke/fn1', 'Expect: 100-continue', 'Content-Length: 100001')}             | ${refused(413)}
    ${'chunks above the size limit in total'}    | ${`${to('/invoke/fn1', CHUNKED)}20000\r\n${'x'.repeat(0x20000)}\r\n0\r\n\r\n`}     | ${/^HTTP\/1\.1 413 /}
    ${'an unknown expectation'}                  | ${to('/invoke/fn1', 'Expect: the-unexpected', 'Connection: close')}                | ${/^HTTP\/1\.1 417 /}
    ${'a CONNECT'}                               | ${'CONNECT evil.example:443 HTTP/1.1\r\nHost: h\r\n\r\n'}                          | ${/^$/}
    ${'a badly encoded function id'}             | ${to('/invoke/%zz', 'Connection: close', 'Content-Length: 0')}                     | ${refused(400)}
    ${'a function id with a NUL'}                | ${to('/invoke/a%00b', 'Connection: close', 'Content-Length: 0')}                   | ${refused(404)}
    ${'a function id of 30 kB'}                  | ${to(`/invoke/${'f'.repeat(30_000)}`, 'Connection: close', 'Content-Length: 0')}   | ${refused(404)}
    ${'a path of 20 kB'}                         | ${to(`/t/shop/${'s'.repeat(20_000)}`, 'Connection: close', 'Content-Length: 0')}   | ${refused(404)}
    ${'a path of 20 kB that grows when encoded'} | ${to(`/t/shop/${'"'.repeat(20_000)}`, 'Connection: close', 'Content-Length: 0')}   | ${refused(404)}
    ${'a path with dot segments'}                | ${to('/invoke/../v2/apps', 'Connection: close', 'Content-Length: 0')}              | ${refused(404)}
    ${'a path with encoded dot segments'}        | ${to('/t/shop/%2e%2e%2f%2e%2e/v2/apps', 'Connection: close', 'Content-Length: 0')} | ${refused(404)}
    ${'a target with the name of another host'}  | ${to('http://evil.example/invoke/fn1', 'Connection: close', 'Content-Length: 0')}  | ${refused(403)}
    ${'an asterisk as the target'}               | ${'OPTIONS * HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n'}                    | ${refused(404)}
  `('$what gets the documented answer', async ({ sends, answer }) => {
    expect(await received(dial(sends))).toMatch(answer);
  });

  it.each`
    what                                                  | sends
    ${'a request to switch to another protocol'}          | ${`${to('/invoke/fn1', 'Content-Length: 2', 'Connection: Upgrade', 'Upgrade: websocket')}in`}
    ${'a request to upgrade to HTTP/2'}                   | ${`${to('/invoke/fn1', 'Content-Length: 2', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__')}in`}
    ${'Expect: 100-continue, and the body after the 100'} | ${`${to('/invoke/fn1', 'Expect: 100-continue', 'Content-Length: 2')}in`}
    ${'chunks with extensions and trailers'}              | ${`${to('/invoke/fn1', CHUNKED, 'Trailer: X')}1;a=b\r\ni\r\n1\r\nn\r\n0\r\nX: y\r\n\r\n`}
    ${'a hundred values of one header'}                   | ${`${to('/invoke/fn1', 'Content-Length: 2', ...Array(100).fill('X: y'))}in`}
    ${'headers called like parts of an object'}           | ${`${to('/invoke/fn1', 'Content-Length: 2', '__proto__: x', 'constructor: y', 'toString: z')}in`}
  `('$what is served, and so is the next request on its connection', async ({ sends }) => {
    const socket = dial(sends);
    const answers = received(socket);
    let begun = '';
    await new Promise<void>((resolve) => {
      socket.on('data', (text) => {
        begun += text;
        if (begun.includes('ran with 2')) resolve();
      });
    });
    socket.write(LAST);
    expect((await answers).replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, '')).toMatch(SERVED);
  });

  it('more than it announced still gets the answer of its call, not an error', async () => {
    expect(await received(dial(`${CALL}in and more\r\n\r\n`))).toBe('');
    const after = dial(`${CALL}in`);
    const answers = received(after);
    await new Promise((resolve) => after.once('data', resolve));
    after.write(' and more\r\n\r\n');
    expect(await answers).toMatch(/^HTTP\/1\.1 200 OK.*ran with 2.*HTTP\/1\.1 400 /s);
  });

  it('thousands of pipelined requests is disconnected before more than a few have begun', async () => {
    await closed(dial(`${CALL}in`.repeat(5000)));
    expect(runner.attempts).toBeLessThanOrEqual(33);
  });

  it('less of a body than announced and disconnects has its call cancelled', async () => {
    const ends = Array.from({ length: 20 }, () =>
      dial(`${to('/invoke/fn1', 'Content-Length: 90000')}${'x'.repeat(20_000)}`),
    );
    while (runner.attempts < 20) await new Promise(setImmediate);
    for (const socket of ends) socket.destroy();
  });
});

describe('a caller that', () => {
  it('disconnects right after its request, 200 times, leaves nothing behind', async () => {
    for (let i = 0; i < 200; i += 1) {
      const socket = dial(i % 2 ? `${CALL}in` : `GET /t/shop/hot?${'q'.repeat(20_000)} HTTP/1.1\r\nHost: h\r\n\r\n`);
      await new Promise((resolve) => socket.once('connect', resolve));
      socket.destroy();
    }
  });

  it('never reads its response is disconnected', async () => {
    const socket = dial('GET /t/shop/hot?big HTTP/1.1\r\nHost: h\r\n\r\n');
    socket.pause();
    while (runner.attempts === 0) await new Promise(setImmediate);
    while (metrics.sum('running') > 0) await new Promise(setImmediate);
  });

  it('reads a little of its response and disconnects', async () => {
    const socket = dial('GET /t/shop/hot?big HTTP/1.1\r\nHost: h\r\n\r\n');
    await new Promise((resolve) => socket.once('data', resolve));
    socket.destroy();
  });

  it('half-closes its connection counts as disconnected', async () => {
    const socket = dial('GET /t/shop/hot?big HTTP/1.1\r\nHost: h\r\n\r\n');
    const answer = received(socket);
    socket.end();
    expect((await answer).length).toBeLessThan(BIG);
  });

  it('opens all connections without requests loses them to active clients', async () => {
    const others = Array.from({ length: 100 }, () => dial(''));
    await Promise.all(others.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
    for (let i = 0; i < 3; i += 1) expect(await ordinary()).toBe(true);
    await Promise.all(others.slice(0, 40).map((socket) => socket.destroyed || closed(socket)));
  });
});
