import { buffer } from 'node:stream/consumers';
import { setImmediate as turn } from 'node:timers/promises';
import { CancelledError } from '@fnfleet/core';
import type { BodyPiece, BodyReader } from '@fnfleet/protocol';
import { PulledBody } from './pulled-body.js';

/** A request whose bytes arrive when the test says so. */
class Arriving implements BodyReader {
  onReadable: (() => void) | undefined;
  closed = false;
  failure: Error | undefined;
  private readonly pieces: BodyPiece[] = [];

  arrive(text: string, last = false): void {
    this.pieces.push({ data: Buffer.from(text), last });
    this.onReadable?.();
  }

  fail(error: Error): void {
    this.failure = error;
    this.onReadable?.();
  }

  /** Pieces that nobody has asked for. */
  get waiting(): number {
    return this.pieces.length;
  }

  read(): BodyPiece | undefined {
    if (this.failure) throw this.failure;
    return this.pieces.shift();
  }

  close(): void {
    this.closed = true;
    this.onReadable = undefined;
  }
}

let reader: Arriving;
let body: PulledBody;

beforeEach(() => {
  reader = new Arriving();
  body = new PulledBody(reader);
});

it('is passed on as a whole if it is complete', () => {
  reader.arrive('to');
  reader.arrive('gether');
  reader.arrive('', true);

  expect(body.takeComplete()?.toString()).toBe('together');
  expect([body.consumed, reader.closed]).toEqual([true, true]);
});

it('is otherwise a stream of the bytes that have arrived and those that follow', async () => {
  reader.arrive('first ');
  expect(body.takeComplete()).toBeUndefined();

  const all = buffer(body.stream());
  await turn();
  reader.arrive('second ');
  reader.arrive('last', true);

  expect((await all).toString()).toBe('first second last');
  expect([body.consumed, reader.closed]).toEqual([true, true]);
});

it('that turns out empty is consumed without further reads', async () => {
  expect(body.takeComplete()).toBeUndefined();
  const stream = body.stream();
  reader.arrive('', true);
  stream.read(0); // as undici does, to learn the length
  expect(stream.readableLength).toBe(0);
  await turn();
  expect([body.consumed, reader.closed]).toEqual([true, true]);
});

it('is not read faster than the function consumes it', async () => {
  const stream = body.stream();
  const piece = 'x'.repeat(stream.readableHighWaterMark);
  for (let count = 0; count < 5; count += 1) reader.arrive(piece);
  stream.once('readable', () => undefined);
  await turn();

  expect(reader.waiting).toBeGreaterThanOrEqual(3);
  stream.destroy();
});

it('that ends early fails the stream with the reason', async () => {
  const all = buffer(body.stream());
  reader.arrive('half');
  reader.fail(new CancelledError());

  await expect(all).rejects.toBeInstanceOf(CancelledError);
  expect([body.consumed, reader.closed]).toEqual([false, true]);
});

it.each([['before'], ['after']])('is released if unused, %s it became a stream', async (when) => {
  const stream = when === 'after' ? body.stream() : undefined;
  body.discard();
  await turn();

  expect(reader.closed).toBe(true);
  expect(stream?.destroyed ?? true).toBe(true);
  body.discard();
});
