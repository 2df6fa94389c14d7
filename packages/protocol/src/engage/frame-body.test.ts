import { FrameBody } from './frame-body.js';

const HIGH_WATER_BYTES = 64 * 1024;
const text = (bytes: Buffer | undefined) => bytes?.toString();
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** What frames come from; remembers whether it may send. */
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

describe('taken whole', () => {
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

  it('one frame is handed on as it is, without a copy', () => {
    const frame = Buffer.from('all');
    body.push(frame, true);
    expect(body.takeComplete()).toBe(frame);
  });

  it('not when somebody reads it as a stream already', () => {
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

describe('flow', () => {
  it('is stopped when 64 KiB wait for the function, and not for less', () => {
    push(HIGH_WATER_BYTES - 1);
    expect(flow.paused).toBe(false);
    push(1);
    expect(flow.paused).toBe(true);
  });

  it('is not stopped by the end: nothing more is to come', () => {
    push(10 * HIGH_WATER_BYTES, true);
    expect(flow.pauses).toBe(0);
  });

  it('goes on when a reader takes what waits', async () => {
    push(HIGH_WATER_BYTES);
    expect(flow.paused).toBe(true);
    const reader = body.stream();
    reader.resume();
    await settle();
    expect(flow.paused).toBe(false);
  });

  it('is stopped again by a reader that stops, and never holds more than twice as much', async () => {
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
  it('comes in order, ends, and then counts as consumed', async () => {
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

  it('an end that comes alone, to a reader that waits, is an end', async () => {
    const reader = body.stream();
    const ended = new Promise((resolve) => reader.once('end', resolve));
    reader.resume();
    push('a');
    await settle();
    push('', true);
    await ended;
    expect(body.consumed).toBe(true);
  });

  it('is consumed at its end by a reader that has everything, though it does not ask again', async () => {
    const reader = body.stream();
    reader.on('readable', () => undefined);
    push('a');
    await settle();
    expect(String(reader.read())).toBe('a');
    push('', true);
    await settle();
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
  it('lets what is held go and the flow on, so that the end can be seen', () => {
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

  it('by whoever destroys its stream', async () => {
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

  it('once: a later discard does not meddle with the flow', () => {
    body.discard();
    const { resumes } = flow;
    body.discard();
    expect(flow.resumes).toBe(resumes);
  });
});

describe('broken off', () => {
  it('fails the reader', async () => {
    push('a');
    const reader = body.stream();
    const failed = new Promise((resolve) => reader.once('error', resolve));
    body.fail(new Error('the balancer is gone'));
    expect(await failed).toMatchObject({ message: 'the balancer is gone' });
    expect(body.consumed).toBe(false);
  });

  it('fails a reader that comes later', async () => {
    push('a');
    body.fail(new Error('the balancer is gone'));
    const reader = body.stream();
    expect(await new Promise((resolve) => reader.once('error', resolve))).toMatchObject({
      message: 'the balancer is gone',
    });
  });

  it('after the end is nothing: the body is here', () => {
    push('whole', true);
    body.fail(new Error('too late'));
    expect(text(body.takeComplete())).toBe('whole');
  });

  it('after a discard is nothing', () => {
    body.discard();
    body.fail(new Error('too late'));
    expect(body.stream().errored).toBeNull();
  });
});
