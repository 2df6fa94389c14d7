import { giveSlab, takeSlab } from '@fnfleet/core';
import { FrameBody } from './frame-body.js';

const HIGH_WATER_BYTES = 64 * 1024;
const text = (bytes: Buffer | undefined) => bytes?.toString();
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** The source of frames; records whether it may send. */
class Flow {
  paused = false;
  pauses = 0;
  resumes = 0;
  pause() {
    this.paused = true;
    this.pauses += 1;
  }
  resume() {
    this.paused = false;
    this.resumes += 1;
  }
}

let flow: Flow;
let body: FrameBody;
beforeEach(() => {
  flow = new Flow();
  body = new FrameBody(flow);
});

const push = (content: string | number, eof = false) =>
  body.push(typeof content === 'number' ? Buffer.alloc(content) : Buffer.from(content), eof);

describe('taken as a whole', () => {
  it.each`
    what           | frames                | whole
    ${'empty'}     | ${['']}               | ${''}
    ${'one frame'} | ${['all']}            | ${'all'}
    ${'several'}   | ${['a', '', 'b', '']} | ${'ab'}
  `('$what: once, when it is complete', ({ frames, whole }) => {
    for (const [at, frame] of frames.entries()) {
      expect(body.takeComplete()).toBeUndefined();
      push(frame, at === frames.length - 1);
    }
    expect(body.consumed).toBe(false);
    expect(text(body.takeComplete())).toBe(whole);
    expect(body.consumed).toBe(true);
  });

  it('is copied: the memory that frames were read into is used again', () => {
    const frame = Buffer.from('all');
    body.push(frame, true);
    frame.fill('x');
    expect(text(body.takeComplete())).toBe('all');
  });

  it('is no longer held, although the call goes on', async () => {
    push('a');
    push('b', true);
    body.takeComplete();
    expect(text(body.takeComplete())).toBe('');
    const rest: unknown[] = [];
    const reader = body.stream().on('data', (part) => rest.push(part));
    await settle();
    expect([rest, reader.readableLength]).toEqual([[], 0]);
  });

  it('not if somebody already reads it as a stream', () => {
    body.stream();
    push('a', true);
    expect(body.takeComplete()).toBeUndefined();
  });

  it('nothing follows the end', () => {
    push('a', true);
    push('b');
    push('c', true);
    expect(text(body.takeComplete())).toBe('a');
  });
});

describe('flow control', () => {
  it('stops the source when 64 KiB wait for the function, and not for less', () => {
    push(HIGH_WATER_BYTES - 1);
    expect(flow.paused).toBe(false);
    push(1);
    expect(flow.paused).toBe(true);
  });

  it('does not stop it at the end, when nothing more is to come', () => {
    push(10 * HIGH_WATER_BYTES, true);
    expect(flow.pauses).toBe(0);
  });

  it('resumes it when a reader takes buffered data', async () => {
    push(HIGH_WATER_BYTES);
    expect(flow.paused).toBe(true);
    const reader = body.stream();
    reader.resume();
    await settle();
    expect(flow.paused).toBe(false);
  });

  it('stops it again when the reader stops, and never buffers more than twice the limit', async () => {
    const reader = body.stream();
    reader.on('readable', () => undefined);
    await settle();
    let pushed = 0;
    while (!flow.paused && pushed < 100) {
      push(10_240);
      pushed += 1;
      await settle();
    }
    expect(pushed * 10_240).toBeLessThanOrEqual(2 * (HIGH_WATER_BYTES + 10_240));
    expect(flow.paused).toBe(true);
  });
});

describe('read as a stream', () => {
  it('frames of one turn are one piece; each piece has its memory to itself, which its reader may give back', async () => {
    const pieces: Buffer[] = [];
    body.stream().on('data', (piece) => pieces.push(piece));
    await settle();
    const frame = Buffer.alloc(10_240);
    for (const letter of 'abcdefghijklm') body.push(frame.fill(letter), false);
    await settle();
    push('last', true);
    await settle();
    const expected = [...'abcdefghijklm'].map((letter) => letter.repeat(10_240)).join('');
    expect(String(Buffer.concat(pieces)) === `${expected}last`).toBe(true);
    expect(pieces.map(({ length }) => length)).toEqual([65_536, 6_144, 61_440, 4]);
    expect(new Set(pieces.map(({ buffer }) => buffer)).size).toBe(pieces.length);
    const [first] = pieces as [Buffer];
    giveSlab(first);
    expect(takeSlab().buffer).toBe(first.buffer);
  });

  it('arrives in order, ends, and then counts as consumed', async () => {
    push('ab');
    const reader = body.stream();
    expect(body.stream()).toBe(reader);
    const parts: string[] = [];
    reader.on('data', (part) => parts.push(String(part)));
    await settle();
    push('cd');
    push('ef', true);
    await new Promise((resolve) => reader.once('end', resolve));
    expect(parts.join('')).toBe('abcdef');
    expect(body.consumed).toBe(true);
  });

  it('an end without data reaches a waiting reader', async () => {
    const reader = body.stream();
    const ended = new Promise((resolve) => reader.once('end', resolve));
    reader.resume();
    push('a');
    await settle();
    push('', true);
    await ended;
    expect(body.consumed).toBe(true);
  });

  it('is consumed at its end by a reader that has everything, without another read', async () => {
    const reader = body.stream();
    reader.on('readable', () => undefined);
    push('a');
    await settle();
    expect(String(reader.read())).toBe('a');
    push('', true);
    await settle();
    expect(body.consumed).toBe(true);
  });

  it('an empty body is not consumed before its reader has read the end', async () => {
    const reader = body.stream();
    push('', true);
    expect(body.consumed).toBe(false);
    reader.resume();
    await new Promise((resolve) => reader.once('end', resolve));
    expect(body.consumed).toBe(true);
  });

  it('is not consumed while the last byte is in the buffer of its reader', async () => {
    const reader = body.stream();
    reader.on('readable', () => undefined);
    push('a', true);
    await settle();
    expect(body.consumed).toBe(false);
    reader.read();
    await new Promise((resolve) => reader.once('end', resolve));
    expect(body.consumed).toBe(true);
  });
});

describe('discarded', () => {
  it('releases its buffer and the flow, so that the end is seen', () => {
    push(HIGH_WATER_BYTES);
    expect(flow.paused).toBe(true);
    body.discard();
    expect(flow.paused).toBe(false);
    push(HIGH_WATER_BYTES);
    push(HIGH_WATER_BYTES, true);
    expect(flow.paused).toBe(false);
    expect(body.takeComplete()).toBeUndefined();
    expect(body.consumed).toBe(false);
  });

  it('when its stream is destroyed', async () => {
    const reader = body.stream();
    push(2 * HIGH_WATER_BYTES);
    await settle();
    expect(flow.paused).toBe(true);
    reader.destroy();
    await settle();
    expect(flow.paused).toBe(false);
    push(HIGH_WATER_BYTES);
    expect(flow.paused).toBe(false);
  });

  it('only once: a later discard does not affect the flow', () => {
    body.discard();
    const { resumes } = flow;
    body.discard();
    expect(flow.resumes).toBe(resumes);
  });
});

describe('aborted', () => {
  it('fails the reader', async () => {
    push('a');
    const reader = body.stream();
    const failed = new Promise((resolve) => reader.once('error', resolve));
    body.fail(new Error('the balancer is gone'));
    expect(await failed).toMatchObject({ message: 'the balancer is gone' });
    expect(body.consumed).toBe(false);
  });

  it('fails a later reader', async () => {
    push('a');
    body.fail(new Error('the balancer is gone'));
    const reader = body.stream();
    expect(await new Promise((resolve) => reader.once('error', resolve))).toMatchObject({
      message: 'the balancer is gone',
    });
  });

  it('after the end has no effect: the body is complete', () => {
    push('whole', true);
    body.fail(new Error('too late'));
    expect(text(body.takeComplete())).toBe('whole');
  });

  it('after a discard has no effect', () => {
    body.discard();
    body.fail(new Error('too late'));
    expect(body.stream().errored).toBeNull();
  });
});
