import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { CancelledError } from '@fnfleet/core';
import type { BodyPiece } from '@fnfleet/protocol';
import { next } from '../test-kit/reading.js';
import { ReplayBudget } from './replay-budget.js';
import { ReplayBuffer } from './replay-buffer.js';

const limits = { keepBytes: 10, maxBytes: 0, budget: new ReplayBudget() };
const bytes = (text: string) => Buffer.from(text);

let source: PassThrough;
beforeEach(() => {
  source = new PassThrough();
});
afterEach(() => source.destroy());

it('B3: a small body that has arrived over HTTP is one chunk, marked as the last', async () => {
  const piece = Promise.withResolvers<BodyPiece | undefined>();
  const server = createServer(async (req, res) => {
    const body = new ReplayBuffer(req, 2, limits);
    await Promise.resolve(); // as a call does before it reads: the function is looked up
    piece.resolve(body.open().read());
    res.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  request({ port, host: '127.0.0.1', method: 'POST', headers: { Connection: 'close', 'Content-Length': 2 } }).end('in');

  expect(await piece.promise).toEqual({ data: bytes('in'), last: true });
  await new Promise<void>((resolve) => server.close(() => resolve()));
});

it('B3: an empty body is known to be empty at once', () => {
  expect(new ReplayBuffer(source, 0, limits).open().read()).toEqual({ data: bytes(''), last: true });
  expect(source.listenerCount('readable')).toBe(0);
});

it('B3: the announced length determines which chunk is the last', async () => {
  const reader = new ReplayBuffer(source, 4, limits).open();
  source.write('ab');
  expect(await next(reader)).toEqual({ data: bytes('ab'), last: false });
  source.write('cd');
  expect(await next(reader)).toEqual({ data: bytes('cd'), last: true });
});

it('B3: without an announced length an empty chunk is the last', async () => {
  const reader = new ReplayBuffer(source, undefined, limits).open();
  source.write('ab');
  expect(await next(reader)).toEqual({ data: bytes('ab'), last: false });
  source.end();
  expect(await next(reader)).toEqual({ data: bytes(''), last: true });
});

it('B2: a second reader gets everything again, then new bytes', async () => {
  const body = new ReplayBuffer(source, 6, limits);
  const first = body.open();
  source.write('ab');
  await next(first);
  const second = body.open();
  expect(() => first.read()).toThrow('this reader is closed');
  expect(second.read()).toEqual({ data: bytes('ab'), last: false });
  source.write('cd');
  expect(await next(second)).toEqual({ data: bytes('cd'), last: false });
  source.write('ef');
  await next(second);

  const third = body.open();
  expect(third.read()).toEqual({ data: bytes('abcdef'), last: true });
});

it('a body longer than what is kept cannot be replayed, and is streamed on', async () => {
  const body = new ReplayBuffer(source, undefined, limits);
  const reader = body.open();
  source.write('0123456789');
  await next(reader);
  expect(body.replayable).toBe(true);
  source.write('x');
  expect(await next(reader)).toEqual({ data: bytes('x'), last: false });
  expect(body.replayable).toBe(false);
  expect(() => body.open()).toThrow('the first bytes of this body are gone');
  source.end('y');
  expect(await next(reader)).toMatchObject({ data: bytes('y') });
});

it('B1: reads from the source only on demand of the reader', async () => {
  const reader = new ReplayBuffer(source, undefined, limits).open();
  const chunk = Buffer.alloc(source.readableHighWaterMark);
  source.write(chunk);
  expect(await next(reader)).toBeDefined();
  let taken = 0;
  while (source.write(chunk, () => undefined) && taken < 100) taken += 1;
  await new Promise((resolve) => setImmediate(resolve));
  expect(taken).toBeLessThan(4);
  expect(source.readableLength).toBeGreaterThan(0);
});

it('more bytes than allowed are an error for every reader', async () => {
  const body = new ReplayBuffer(source, undefined, { ...limits, keepBytes: 100, maxBytes: 3 });
  const reader = body.open();
  source.write('abc');
  expect(await next(reader)).toMatchObject({ data: bytes('abc') });
  source.write('d');
  await expect(next(reader)).rejects.toMatchObject({
    code: 'requestTooBig',
    message: 'Content-Length too large for this server, 4 > max 3',
  });
  expect(() => reader.read()).toThrow('4 > max 3');
});

it.each`
  story                                 | breakOff
  ${'is destroyed'}                     | ${() => source.destroy()}
  ${'fails'}                            | ${() => source.destroy(new Error('ECONNRESET'))}
  ${'ends before the announced length'} | ${() => source.end()}
`('a source that $story wakes the reader, which learns that the caller has disconnected', async ({ breakOff }) => {
  const reader = new ReplayBuffer(source, 5, limits).open();
  source.write('ab');
  await next(reader);
  const rest = next(reader);
  breakOff();
  await expect(rest).rejects.toThrow(CancelledError);
});

it('B6: a reader that is closed in the middle of a replay after the commit releases everything its body held', async () => {
  const budget = new ReplayBudget({ memoryBytes: 1_000_000 });
  const body = new ReplayBuffer(source, undefined, { keepBytes: 1_000_000, maxBytes: 0, budget });
  const first = body.open();
  for (let part = 0; part < 4; part += 1) {
    source.write(Buffer.alloc(20_000));
    await next(first);
  }
  const second = body.open();
  await next(second);
  expect(budget.memoryBytes).toBeGreaterThan(0);
  body.commit();
  expect(budget.memoryBytes).toBeGreaterThan(0);
  second.close();
  expect([budget.memoryBytes, body.heldBytes]).toEqual([0, 0]);
});

describe('B4: the source is released', () => {
  it('at the end of the call, when no reader is left', async () => {
    let released = 0;
    const body = new ReplayBuffer(source, undefined, limits, () => {
      released += 1;
    });
    const reader = body.open();
    expect(reader.read()).toBeUndefined();
    expect(source.listenerCount('readable')).toBe(1);
    body.commit();
    expect(released).toBe(0);
    source.write('ab');
    expect(await next(reader)).toMatchObject({ data: bytes('ab') });

    reader.close();
    reader.close();
    body.commit();
    expect(released).toBe(1);
    expect(source.eventNames().filter((name) => source.listenerCount(name) > 0 && name === 'readable')).toEqual([]);
  });

  it('even if it was never read', () => {
    const released = jest.fn();
    new ReplayBuffer(source, undefined, limits, released).commit();
    expect(released).toHaveBeenCalledTimes(1);
  });

  it('but a reader that is replaying when the call is committed gets all of the body', async () => {
    const body = new ReplayBuffer(source, 4, limits);
    source.write('ab');
    const first = body.open();
    await next(first);
    source.write('cd');
    await next(first);

    const second = body.open();
    body.commit();
    expect(second.read()).toEqual({ data: bytes('abcd'), last: true });
  });
});
