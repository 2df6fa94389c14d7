import { FnError, NO_TRACE } from '@fnfleet/core';
import { NOTHING_REPORTED } from '../wire/codec.js';
import type { CallReport } from './messages.js';
import { MAX_FRAME_BYTES, type RunnerMessage } from './messages.js';
import { type CallIo, RunnerSession } from './runner-session.js';
import type { RunnerStream } from './stream.js';

/** A stream that records what the session did to it. */
class FakeStream implements RunnerStream {
  readonly trace = NO_TRACE;
  readonly deadlineAt = undefined;
  wantsStart = false;
  /** Lets the message that was sent at once leave. */
  leave: (() => void) | undefined;
  readonly sent: RunnerMessage[] = [];
  ended: { code: number; details: string; load?: string | undefined } | undefined;
  paused = false;
  full = false;

  send(message: RunnerMessage): boolean {
    if (this.ended) throw new Error(`${message.kind} after the end`);
    this.sent.push(message);
    return !this.full;
  }
  sendNow(message: RunnerMessage, onSent: () => void): void {
    this.send(message);
    this.leave = onSent;
  }
  pause() {
    this.paused = true;
  }
  resume() {
    this.paused = false;
  }
  end(code: number, details: string, load?: string) {
    if (this.ended) throw new Error('ended twice');
    this.ended = { code, details, load };
  }
  get kinds() {
    return this.sent.map((message) => message.kind);
  }
}

const TRY = { kind: 'try', callJson: '{}', slotHash: '', extensions: {} } as const;
const data = (text: string, eof = false) => ({ kind: 'data', data: Buffer.from(text), eof }) as const;
const LOAD = 'bG9hZA';
const OK: CallReport = { ...NOTHING_REPORTED, success: true };

function start() {
  const stream = new FakeStream();
  const runs: { io: CallIo; finish: (report: CallReport) => Promise<void> }[] = [];
  const session = new RunnerSession(stream, (_offer, io) => {
    return new Promise((resolve) => {
      runs.push({
        io,
        async finish(report) {
          resolve({ report, load: LOAD });
          await new Promise(setImmediate);
        },
      });
    });
  });
  const run = () => {
    const [only, ...others] = runs;
    if (only === undefined || others.length > 0) throw new Error(`expected one run, got ${runs.length}`);
    return only;
  };
  return { stream, session, runs, run };
}

describe('R6: the start acknowledgement', () => {
  const asked = () => {
    const started = start();
    started.stream.wantsStart = true;
    started.session.onMessage(TRY);
    started.session.onMessage(data('body', true));
    const starts: string[] = [];
    return { ...started, starts, announce: () => started.run().io.beforeStart?.(() => starts.push('function')) };
  };

  it('the function gets nothing before `started` has left the process', () => {
    const { stream, starts, announce } = asked();
    announce();
    expect(stream.kinds).toEqual(['started']);
    expect(starts).toEqual([]);
    stream.leave?.();
    expect(starts).toEqual(['function']);
  });

  it('a balancer that did not ask gets none, and nothing waits', () => {
    const { session, run } = start();
    session.onMessage(TRY);
    expect(run().io.beforeStart).toBeUndefined();
  });

  it('a call whose balancer is gone does not start, and sends none', () => {
    const { stream, session, starts, announce, run } = asked();
    session.onCancelled();
    announce();
    expect(stream.kinds).toEqual([]);
    expect(run().io.signal.aborted).toBe(true);
    expect(starts).toEqual([]);
  });

  it('nor does one whose balancer disconnects while `started` waits to leave', () => {
    const { stream, session, starts, announce } = asked();
    announce();
    session.onCancelled();
    stream.leave?.();
    expect(starts).toEqual([]);
  });
});

describe('what a balancer may send', () => {
  it.each([
    ['protocol 16: data first', (s: RunnerSession) => s.onMessage(data('x'))],
    ['protocol 17: half-close with no message', (s: RunnerSession) => s.onHalfClose()],
    ['protocol 18: an empty message first', (s: RunnerSession) => s.onMessage({ kind: 'unknown' })],
  ])('%s is a violation', (_, act) => {
    const { stream, session, runs } = start();
    act(session);
    expect(stream.ended).toEqual({ code: 2, details: 'Protocol failure: expected ClientMsg_Try' });
    expect(runs).toHaveLength(0);
  });

  it.each([
    ['protocol 19: a second try', (s: RunnerSession) => s.onMessage(TRY)],
    ['protocol 19: an empty message', (s: RunnerSession) => s.onMessage({ kind: 'unknown' })],
    ['protocol 20: half-close before eof', (s: RunnerSession) => s.onHalfClose()],
  ])('%s is a violation and cancels the call', async (_, act) => {
    const { stream, session, run } = start();
    session.onMessage(TRY);
    act(session);
    expect(stream.ended).toEqual({ code: 2, details: 'Protocol failure: expected ClientMsg_Data' });
    expect(run().io.signal.aborted).toBe(true);
    await run().finish(OK);
    expect(stream.sent).toEqual([]);
  });

  it('protocol 21: anything after eof is ignored', async () => {
    const { stream, session, run } = start();
    session.onMessage(TRY);
    session.onMessage(data('body', true));
    session.onMessage(data('more'));
    session.onMessage(TRY);
    session.onHalfClose();
    expect(run().io.body.takeComplete()?.toString()).toBe('body');
    await run().finish(OK);
    expect(stream.kinds).toEqual(['finished']);
    expect(stream.ended?.code).toBe(0);
  });

  it('protocol 22: one frame with content and eof is the whole body', () => {
    const { session, run } = start();
    session.onMessage(TRY);
    session.onMessage(data('all of it', true));
    expect(run().io.body.takeComplete()?.toString()).toBe('all of it');
    expect(run().io.body.consumed).toBe(true);
  });

  it('protocol 23: an empty frame without eof changes nothing', () => {
    const { session, run } = start();
    session.onMessage(TRY);
    session.onMessage(data(''));
    session.onMessage(data('a'));
    session.onMessage(data(''));
    expect(run().io.body.takeComplete()).toBeUndefined();
    session.onMessage(data('b', true));
    expect(run().io.body.takeComplete()?.toString()).toBe('ab');
  });
});

describe('the body on its way to the function', () => {
  it('protocol 30: a function that does not read stops the balancer', async () => {
    const { stream, session, run } = start();
    session.onMessage(TRY);
    const frame = { kind: 'data', data: Buffer.alloc(MAX_FRAME_BYTES), eof: false } as const;
    let frames = 0;
    while (!stream.paused && frames < 100) {
      session.onMessage(frame);
      frames += 1;
    }
    expect(frames).toBeLessThanOrEqual(7);

    const readable = run().io.body.stream();
    let bytes = 0;
    readable.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    await new Promise(setImmediate);
    expect(bytes).toBe(frames * MAX_FRAME_BYTES);
    expect(stream.paused).toBe(false);
    expect(run().io.body.consumed).toBe(false);
    session.onMessage(data('', true));
    await new Promise((resolve) => readable.once('end', resolve));
    expect(run().io.body.consumed).toBe(true);
  });

  it('a stream of many frames arrives whole and in order', async () => {
    const { session, run } = start();
    session.onMessage(TRY);
    session.onMessage(data('a'));
    const parts: Buffer[] = [];
    const reading = (async () => {
      for await (const part of run().io.body.stream()) parts.push(part);
    })();
    for (const letter of 'bcdefg') {
      session.onMessage(data(letter));
      await new Promise(setImmediate);
    }
    session.onMessage(data('h', true));
    await reading;
    expect(Buffer.concat(parts).toString()).toBe('abcdefgh');
  });

  it('a balancer that disconnects fails the upload', async () => {
    const { session, run } = start();
    session.onMessage(TRY);
    session.onMessage(data('a'));
    const readable = run().io.body.stream();
    const failed = new Promise<Error>((resolve) => readable.once('error', resolve));
    session.onCancelled();
    expect((await failed).message).toContain('cancelled');
    expect(run().io.signal.aborted).toBe(true);
  });
});

describe('what a runner sends', () => {
  it('protocol 31, 42: head, frames without eof, finished, OK, nothing else', async () => {
    const { stream, session, run } = start();
    session.onMessage(TRY);
    session.onMessage(data('', true));
    const { response } = run().io;
    response.writeHead(200, [['A', '1']]);
    response.write(Buffer.alloc(25_000, 1));
    await run().finish(OK);
    expect(stream.kinds).toEqual(['resultStart', 'data', 'data', 'data', 'finished']);
    const frames = stream.sent.filter((message) => message.kind === 'data');
    expect(frames.map((frame) => frame.data.length)).toEqual([10_240, 10_240, 4520]);
    expect(frames.every((frame) => !frame.eof)).toBe(true);
    expect(stream.ended).toEqual({ code: 0, details: '', load: LOAD });
  });

  it('protocol 32: an empty answer still has its head', async () => {
    const { stream, session, run } = start();
    session.onMessage(TRY);
    session.onMessage(data('', true));
    run().io.response.writeHead(200, []);
    await run().finish(OK);
    expect(stream.kinds).toEqual(['resultStart', 'finished']);
  });

  it('protocol 41: a refusal is one finished and nothing else', async () => {
    const { stream, session, run } = start();
    session.onMessage(TRY);
    const busy = new FnError('serverBusy');
    await run().finish({ ...NOTHING_REPORTED, errorCode: busy.status, errorText: busy.message });
    expect(stream.kinds).toEqual(['finished']);
    expect(stream.ended?.code).toBe(0);
  });

  it('a slow balancer stops the function', () => {
    const { stream, session, run } = start();
    session.onMessage(TRY);
    const { response } = run().io;
    response.writeHead(200, []);
    stream.full = true;
    expect(response.write(Buffer.from('x'))).toBe(false);
    const drained = jest.fn();
    response.onDrain(drained);
    expect(drained).not.toHaveBeenCalled();
    session.onWritable();
    session.onWritable();
    expect(drained).toHaveBeenCalledTimes(1);
  });

  it('protocol 48, 49: after a reset nothing more is sent, and a waiting writer is released', async () => {
    const { stream, session, run } = start();
    session.onMessage(TRY);
    const { response, signal } = run().io;
    response.writeHead(200, []);
    stream.full = true;
    response.write(Buffer.from('x'));
    const drained = jest.fn();
    response.onDrain(drained);
    session.onCancelled();
    expect(drained).toHaveBeenCalledTimes(1);
    expect(signal.aborted).toBe(true);
    response.write(Buffer.from('y'));
    await run().finish(OK);
    expect(stream.kinds).toEqual(['resultStart', 'data']);
    expect(stream.ended).toBeUndefined();
  });

  it('a second head, and one after the balancer has disconnected, are not sent', () => {
    const { stream, session, run } = start();
    session.onMessage(TRY);
    const { response } = run().io;
    expect(response.write(Buffer.from('too early'))).toBe(true);
    response.writeHead(200, []);
    response.writeHead(500, []);
    expect(stream.sent).toMatchObject([{ kind: 'resultStart', status: 200 }]);
    const left = start();
    left.session.onMessage(TRY);
    left.session.onCancelled();
    left.run().io.response.writeHead(200, []);
    expect(left.stream.kinds).toEqual([]);
  });

  it('a writer that waits when all is over need not wait', () => {
    const { session, run } = start();
    session.onMessage(TRY);
    session.onCancelled();
    const drained = jest.fn();
    run().io.response.onDrain(drained);
    expect(drained).toHaveBeenCalledTimes(1);
  });

  it('the request ends when the answer is complete: its buffer is dropped, and its end can be seen', async () => {
    const { stream, session, run } = start();
    session.onMessage(TRY);
    for (let i = 0; i < 7; i += 1) session.onMessage(data('x'.repeat(MAX_FRAME_BYTES)));
    expect(stream.paused).toBe(true);
    await run().finish(OK);
    expect(stream.paused).toBe(false);
    session.onMessage(data('more', true));
    expect(run().io.body.takeComplete()).toBeUndefined();
  });
});

describe('R7: oversize messages', () => {
  const BYTES = 5_000_000;

  it('a call is answered, and its function is to blame', () => {
    const { stream, session, runs } = start();
    session.onOversize(BYTES, 4_194_304);
    const { message, status } = new FnError('callTooLarge', { params: { bytes: BYTES, max: 4_194_304 } });
    expect(stream.sent).toEqual([
      { kind: 'finished', report: { ...NOTHING_REPORTED, errorCode: status, errorText: message, errorUser: true } },
    ]);
    expect([stream.ended, runs.length]).toEqual([{ code: 0, details: '', load: undefined }, 0]);
  });

  it('a frame of its body cancels a running call', async () => {
    const { stream, session, run } = start();
    session.onMessage(TRY);
    session.onOversize(BYTES, 4_194_304);
    expect(stream.ended).toMatchObject({ code: 8, details: expect.stringContaining('5000000') });
    expect(run().io.signal.aborted).toBe(true);
    await run().finish(OK);
    expect(stream.kinds).toEqual([]);
  });

  it('after the end are ignored', async () => {
    const { stream, session, run } = start();
    session.onMessage(TRY);
    await run().finish(OK);
    session.onOversize(BYTES, 4_194_304);
    expect([stream.kinds, stream.ended?.code]).toEqual([['finished'], 0]);
  });

  it('a head that no balancer accepts is rejected, and another may follow', () => {
    const { stream, session, run } = start();
    session.onMessage(TRY);
    const { response } = run().io;
    const head = (bytes: number) => () => response.writeHead(200, [['x', 'y'.repeat(bytes)]]);
    expect(head(BYTES)).toThrow(expect.objectContaining({ code: 'functionResponseHeaderTooBig' }));
    expect(stream.kinds).toEqual([]);
    expect(head(10)).not.toThrow();
    expect(stream.kinds).toEqual(['resultStart']);
  });
});
