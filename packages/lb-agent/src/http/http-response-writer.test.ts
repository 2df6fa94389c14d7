import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { FakeClock, FnError } from '@fnfleet/core';
import { HttpResponseWriter, newHolds } from './http-response-writer.js';
import { type HeadMapping, invokeHead } from './response-head.js';

let clock: FakeClock;
let holds: ReturnType<typeof newHolds>;
let server: Server;
let writer: HttpResponseWriter;
let client: Promise<IncomingMessage>;

async function serve(method = 'GET', mapHead: HeadMapping = invokeHead): Promise<void> {
  const accepted = Promise.withResolvers<ServerResponse>();
  server = createServer((_req, res) => accepted.resolve(res));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  client = new Promise((resolve, reject) => {
    request({ port, host: '127.0.0.1', method, agent: false }, resolve).on('error', reject).end();
  });
  client.catch(() => undefined);
  writer = new HttpResponseWriter(await accepted.promise, mapHead, holds, clock);
  writer.callId = 'call-1';
}

beforeEach(() => {
  clock = new FakeClock();
  holds = newHolds(clock);
});
afterEach(async () => {
  expect(holds.size).toBe(0);
  holds.close();
  expect(clock.pendingTimers).toBe(0);
  server.closeAllConnections();
  await new Promise<void>((resolve) => server.close(() => resolve()));
});

it('W1: a small response is held until its length is known', async () => {
  await serve();
  writer.writeHead(200, []);
  writer.write(Buffer.from('ab'));
  writer.write(Buffer.from('cd'));
  await clock.advance(1);
  writer.finish();

  expect(await received()).toMatchObject({ status: 200, headers: { 'content-length': '4' }, body: 'abcd' });
});

it('W1: a held response can be replaced by an error', async () => {
  await serve();
  writer.writeHead(200, [['X-Function', '1']]);
  writer.write(Buffer.from('half'));
  writer.fail(new FnError('functionFailed'));

  const answer = await received();
  expect(answer).toMatchObject({ status: 502, body: '{"message":"function failed"}\n' });
  expect(answer.headers).toMatchObject({ 'fn-call-id': 'call-1' });
  expect(answer.headers).not.toHaveProperty('x-function');
});

it.each`
  story                                  | size             | waitMs
  ${'after 2 ms'}                        | ${1}             | ${2}
  ${'as soon as it is more than 16 KiB'} | ${16 * 1024 + 1} | ${0}
`('W2: a longer response is sent $story, and its connection is closed if the call fails', async ({ size, waitMs }) => {
  await serve();
  writer.writeHead(200, []);
  writer.write(Buffer.alloc(size));
  await clock.advance(waitMs);

  const answer = await client;
  expect(answer.headers).toMatchObject({ 'transfer-encoding': 'chunked', 'fn-call-id': 'call-1' });
  writer.fail(new FnError('functionFailed'));
  await expect(received()).rejects.toThrow('aborted');
});

it('W2: to an HTTP/1.0 client a response that breaks off does not look complete', async () => {
  await serve();
  const broken = Promise.withResolvers<unknown>();
  const { port } = server.address() as AddressInfo;
  server.removeAllListeners('request').once('request', (_req, res) => {
    const old = new HttpResponseWriter(res, invokeHead, holds, clock);
    old.write(Buffer.alloc(20_000));
    old.fail(new FnError('functionFailed'));
  });
  const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.0\r\nHost: h\r\n\r\n'));
  socket.on('error', broken.resolve).on('end', () => broken.resolve('looks complete'));
  socket.resume();
  expect(await broken.promise).toMatchObject({ code: 'ECONNRESET' });
  writer.finish();
});

it('W4: never sends more bytes than announced', async () => {
  await serve();
  writer.writeHead(200, [['Content-Length', '3']]);
  writer.write(Buffer.from('ab'));
  await clock.advance(2);
  writer.write(Buffer.from('cdef'));
  // Nothing is waited for: what comes now goes nowhere.
  expect(writer.write(Buffer.from('more'))).toBe(true);
  writer.finish();
  expect(await received()).toMatchObject({ headers: { 'content-length': '3' }, body: 'abc' });
});

it('W4: the connection is closed if a response is shorter than announced', async () => {
  await serve();
  writer.writeHead(200, [['Content-Length', '3']]);
  writer.write(Buffer.from('ab'));
  await clock.advance(2);
  writer.finish();
  await expect(received()).rejects.toThrow('aborted');
});

it('W3: a client that reads nothing for a minute is disconnected', async () => {
  await serve();
  writer.writeHead(200, []);
  expect(writer.write(Buffer.alloc(32 * 1024 * 1024))).toBe(false); // more than any socket buffers
  const drained = jest.fn();
  writer.onDrain(drained);
  const answer = await client;
  const broken = new Promise((resolve) => answer.on('error', resolve));
  answer.pause();

  await clock.advance(59_999);
  expect(answer.destroyed).toBe(false);
  await clock.advance(1);
  answer.resume();
  expect(await broken).toMatchObject({ message: 'aborted' });
  expect(drained).not.toHaveBeenCalled();
});

it.each`
  answer                 | sizes
  ${'held'}              | ${[1, 5_000]}
  ${'streamed'}          | ${[20_000, 1, 300]}
  ${'larger than slabs'} | ${[200_000, 70_000]}
`('what is written is copied, because its memory is used again: an answer that is $answer', async ({ sizes }) => {
  await serve();
  writer.writeHead(200, []);
  sizes.forEach((size: number, index: number) => {
    const borrowed = Buffer.alloc(size, `${index}`);
    writer.write(borrowed);
    borrowed.fill('!');
  });
  writer.finish();
  const expected = sizes.map((size: number, index: number) => `${index}`.repeat(size)).join('');
  expect((await received()).body === expected).toBe(true);
});

it('bytes before any head are sent with status 200', async () => {
  await serve();
  writer.write(Buffer.from('ab'));
  writer.finish();
  expect(await received()).toMatchObject({ status: 200, body: 'ab' });
});

it('the response to a HEAD keeps the length that the function announced', async () => {
  await serve('HEAD');
  writer.writeHead(200, [['Content-Length', '1234']]);
  writer.finish();
  expect(await received()).toMatchObject({ status: 200, headers: { 'content-length': '1234' }, body: '' });
});

it('a response with an invalid HTTP status is rejected', async () => {
  await serve();
  expect(() => writer.writeHead(42, [])).toThrow('invalid function response');
  writer.fail(new FnError('functionInvalidResponse'));
  expect(await received()).toMatchObject({ status: 502 });
});

describe('W5: a response that Node refuses to write', () => {
  const bad = () => ({ status: 200, headers: ['X-Bad', 'a\r\nb'], contentLength: undefined });

  it.each`
    when                           | size             | waitMs
    ${'it is complete'}            | ${4}             | ${0}
    ${'it has been held for long'} | ${4}             | ${2}
    ${'it is too long to hold'}    | ${16 * 1024 + 1} | ${0}
  `('is detected when $when, and the client gets an error', async ({ size, waitMs }) => {
    await serve('GET', bad);
    writer.writeHead(200, []);
    try {
      writer.write(Buffer.alloc(size));
    } catch (error) {
      writer.fail(error);
    }
    await clock.advance(waitMs);
    if (waitMs > 0) expect(() => writer.write(Buffer.from('more'))).toThrow('Invalid character');
    if (size === 4) writer.finish();
    expect(await received()).toMatchObject({ status: 500, body: '{"message":"internal server error"}\n' });
  });

  it('closes the connection if not even an error can be written', async () => {
    await serve();
    writer.callId = 'a\r\nb';
    writer.fail(new FnError('functionFailed'));
    await expect(client).rejects.toThrow('socket hang up');
  });

  it('characters that are invalid in a header are removed from an explanation', async () => {
    await serve();
    writer.explain = () => 'runner=zoë\r\nSet-Cookie: a';
    writer.finish();
    expect((await received()).headers).toMatchObject({ 'fn-explain': 'runner=zo???Set-Cookie: a' });
  });

  it.each(['9'.repeat(30), '1'.repeat(400)])('an impossibly large length is not passed on', async (length) => {
    await serve();
    writer.writeHead(200, [['Content-Length', length]]);
    writer.write(Buffer.from('ab'));
    await clock.advance(2);
    writer.finish();
    const answer = await received();
    expect(answer).toMatchObject({ status: 200, body: 'ab' });
    expect(answer.headers['content-length']).toBeUndefined();
  });
});

it('writing to a client that has disconnected is not an error, however much is written', async () => {
  await serve();
  writer.writeHead(200, []);
  writer.write(Buffer.alloc(20_000));
  (await client).destroy();
  const deadline = Date.now() + 5000;
  while (!writer.write(Buffer.alloc(20_000)) && Date.now() < deadline)
    await new Promise((resolve) => setImmediate(resolve));
  expect(writer.write(Buffer.alloc(20_000))).toBe(true);
  writer.finish();
});

it('after the end writes are ignored and nothing is buffered', async () => {
  await serve();
  writer.writeHead(200, []);
  writer.finish();
  expect(writer.write(Buffer.from('late'))).toBe(true);
  expect(clock.pendingTimers).toBe(0);
  await clock.advance(10);
  expect(await received()).toMatchObject({ status: 200, body: '' });
});

async function received(): Promise<{ status?: number; headers: IncomingMessage['headers']; body: string }> {
  const answer = await client;
  const parts: Buffer[] = [];
  for await (const part of answer) parts.push(part);
  return { status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts).toString() };
}
