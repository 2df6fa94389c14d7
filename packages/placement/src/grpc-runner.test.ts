import net from 'node:net';
import { FakeClock, later, PeerError, systemClock } from '@fnfleet/core';
import {
  type AttemptOutcome,
  type CallReport,
  MAX_FRAME_BYTES,
  NOTHING_REPORTED,
  StreamError,
} from '@fnfleet/protocol';
import {
  anOutboundCall,
  FixedBody,
  freePort,
  type ScriptedEngagement,
  startScriptedRunner,
  TEST_LINK,
  type TestCall,
} from '@fnfleet/testing';
import { newGrpcRunner } from './grpc-runner.js';

const never = new AbortController().signal;
const OK: CallReport = { ...NOTHING_REPORTED, success: true, executionNs: 5, schedulerNs: 1 };
const BUSY: CallReport = { ...NOTHING_REPORTED, errorCode: 503, errorText: 'Timed out - server too busy' };

const opened: { close(): unknown }[] = [];

async function scripted(script: (engagement: ScriptedEngagement) => void | Promise<void>) {
  const peer = await startScriptedRunner(script);
  const runner = newGrpcRunner(peer.address, TEST_LINK);
  opened.push(runner, peer);
  return { peer, runner };
}

afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});

async function offer(
  script: (engagement: ScriptedEngagement) => void | Promise<void>,
  call: TestCall = anOutboundCall(),
) {
  const { peer, runner } = await scripted(script);
  const outcome = await runner.tryCall(call, never);
  expect(call.body.openReaders).toBe(0);
  return { outcome, call, peer, engagement: peer.engagements[0] };
}

const succeed = async (engagement: ScriptedEngagement) => {
  await engagement.wholeBody;
  engagement.send({ kind: 'resultStart', status: 200, headers: [] });
  engagement.send({ kind: 'finished', report: OK });
  engagement.end();
};

describe('the request on the wire', () => {
  it.each`
    title                                          | bytes     | piece      | frames
    ${'protocol 9: an empty body is one frame'}    | ${0}      | ${100_000} | ${[0]}
    ${'a small body is one frame with eof'}        | ${20}     | ${100_000} | ${[20]}
    ${'protocol 10: 10240 bytes'}                  | ${10_240} | ${100_000} | ${[10_240]}
    ${'protocol 11: 25000 bytes'}                  | ${25_000} | ${100_000} | ${[10_240, 10_240, 4520]}
    ${'pieces smaller than a frame stay separate'} | ${2500}   | ${1000}    | ${[1000, 1000, 500]}
  `('$title', async ({ bytes, piece, frames }) => {
    const content = Buffer.alloc(bytes, 'abcdefg');
    const { outcome, engagement } = await offer(succeed, anOutboundCall({ body: new FixedBody(content, piece) }));
    expect(outcome.kind).toBe('finished');
    const sent = (engagement?.received ?? []).filter((message) => message.kind === 'data');
    expect(sent.map((frame) => frame.data.length)).toEqual(frames);
    expect(sent.map((frame) => frame.eof)).toEqual(
      frames.map((_: number, index: number) => index === frames.length - 1),
    );
    expect((await engagement?.wholeBody)?.equals(content)).toBe(true);
  });

  it('protocol 12, 14: try is the first message and sent only once; half-closed only after eof', async () => {
    const { engagement } = await offer(succeed, anOutboundCall({ body: new FixedBody(Buffer.alloc(50_000)) }));
    const kinds = engagement?.received.map((message) => message.kind);
    expect(kinds?.indexOf('try')).toBe(0);
    expect(kinds?.lastIndexOf('try')).toBe(0);
    expect(engagement?.received.at(-1)).toMatchObject({ kind: 'data', eof: true });
  });

  it('protocol 13: a refused call is sent whole to the next runner', async () => {
    const call = anOutboundCall({ body: new FixedBody(Buffer.from('the whole body')) });
    const { outcome } = await offer((e) => {
      e.send({ kind: 'finished', report: BUSY });
      e.end();
    }, call);
    expect(outcome).toMatchObject({ kind: 'refused', reason: 'busy' });
    const { engagement } = await offer(succeed, call);
    expect((await engagement?.wholeBody)?.toString()).toBe('the whole body');
  });

  it('protocol 15: a runner that ends in the middle of the body decides the outcome', async () => {
    const call = anOutboundCall({ body: new FixedBody(Buffer.alloc(5_000_000)) });
    const { outcome } = await offer((e) => {
      e.send({
        kind: 'finished',
        report: { ...NOTHING_REPORTED, errorCode: 502, errorText: 'function failed', errorUser: true },
      });
      e.end();
    }, call);
    expect(outcome).toMatchObject({ kind: 'failed', error: { status: 502, message: 'function failed' } });
  });

  it('protocol 65: the request id travels as metadata, and only when there is one', async () => {
    const with_ = await offer(succeed, anOutboundCall({ requestId: 'req-1' }));
    expect(with_.engagement?.metadata.get('fn_request_id')).toEqual(['req-1']);
    const without = await offer(succeed);
    expect(without.engagement?.metadata.get('fn_request_id')).toEqual([]);
  });

  it('protocol 66: no slot hash unless one was computed; extensions and model are carried', async () => {
    const { engagement } = await offer(succeed, anOutboundCall({ extensions: { FN_REGISTRY_TOKEN: 't' } }));
    expect(engagement?.received[0]).toMatchObject({
      kind: 'try',
      slotHash: '',
      extensions: { FN_REGISTRY_TOKEN: 't' },
    });
  });

  it('protocol 79: a deadline becomes grpc-timeout; without one there is none', async () => {
    const before = Date.now();
    const deadlineAt = later(systemClock.now(), 420_000);
    const { engagement } = await offer(succeed, anOutboundCall({ deadlineAt }));
    // Allow for rounding on the way.
    expect(engagement?.deadlineAt).toBeGreaterThan(before + 420_000 - 5);
    expect(engagement?.deadlineAt).toBeLessThan(Date.now() + 420_000 + 5);
    expect((await offer(succeed)).engagement?.deadlineAt).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('did it run?', () => {
  it('protocol 50: connection refused is a refusal', async () => {
    const free = await freePort();
    const runner = newGrpcRunner(`127.0.0.1:${free}`);
    opened.push(runner);
    expect(await runner.tryCall(anOutboundCall(), never)).toMatchObject({ kind: 'refused', reason: 'unreachable' });
  });

  it.each<[string, (e: ScriptedEngagement) => void, Partial<AttemptOutcome> | object]>([
    ['protocol 51: finished 503', (e) => finish(e, BUSY), { kind: 'refused', reason: 'busy' }],
    [
      'protocol 51: finished 503 blamed on the user',
      (e) => finish(e, { ...BUSY, errorUser: true }),
      { kind: 'refused', reason: 'busy' },
    ],
    ['protocol 52: stream status 503', (e) => e.end(503, 'busy'), { kind: 'refused', reason: 'busy' }],
    ['protocol 53: UNAVAILABLE after try', (e) => e.end(14, 'gone'), { kind: 'failed' }],
    ['protocol 54: OK without finished', (e) => e.end(), { kind: 'failed' }],
    ['another status', (e) => e.end(8, 'too large'), { kind: 'failed' }],
  ])('%s', async (_, act, expected) => {
    const { outcome, call } = await offer(async (e) => {
      await e.wholeBody;
      act(e);
    });
    expect(outcome).toMatchObject(expected);
    expect(call.response.status).toBeUndefined();
  });

  it('protocol 53: a runner that dies after try is a failure, not a refusal', async () => {
    const { peer, runner } = await scripted(() => undefined);
    const outcome = runner.tryCall(anOutboundCall(), never);
    await waitFor(() => peer.engagements.length === 1);
    await peer.close();
    expect(await outcome).toMatchObject({ kind: 'failed', error: expect.any(StreamError) });
  });

  it('protocol 55: a message after success', async () => {
    const { outcome } = await offer(async (e) => {
      await e.wholeBody;
      e.send({ kind: 'finished', report: OK });
      e.send({ kind: 'data', data: Buffer.from('?'), eof: false });
      e.end();
    });
    expect(outcome).toMatchObject({ kind: 'failed', error: { message: 'Purerunner missing EOF response' } });
  });

  it('protocol 56: success, then a status that is not OK', async () => {
    const { outcome } = await offer(async (e) => {
      await e.wholeBody;
      e.send({ kind: 'finished', report: OK });
      e.end(13, 'oops');
    });
    expect(outcome).toMatchObject({ kind: 'failed', error: { code: 13 } });
  });

  it('protocol 57: an error without a text', async () => {
    const { outcome } = await offer((e) => finish(e, { ...NOTHING_REPORTED, errorCode: 502 }));
    expect(outcome).toMatchObject({
      kind: 'failed',
      error: { status: 502, message: 'Unknown Error From Pure Runner' },
    });
  });

  it.each([true, false])('protocol 58: errorUser=%s says who is to blame', async (errorUser) => {
    const { outcome } = await offer((e) =>
      finish(e, { ...NOTHING_REPORTED, errorCode: 502, errorText: 'x', errorUser }),
    );
    const blame = errorUser ? 'function' : 'runner';
    expect(outcome).toMatchObject({ kind: 'failed', blame, error: expect.any(PeerError) });
  });

  it('protocol 51: a refusal after bytes of an answer is a failure', async () => {
    const { outcome, call } = await offer(async (e) => {
      await e.wholeBody;
      e.send({ kind: 'resultStart', status: 200, headers: [] });
      e.send({ kind: 'data', data: Buffer.from('half'), eof: false });
      finish(e, BUSY);
    });
    expect(outcome).toMatchObject({ kind: 'failed', error: { status: 503 } });
    expect(call.response.body.toString()).toBe('half');
  });

  it('protocol 59: a caller that leaves resets the stream', async () => {
    const { peer, runner } = await scripted(() => undefined);
    const caller = new AbortController();
    const outcome = runner.tryCall(anOutboundCall(), caller.signal);
    await waitFor(() => peer.engagements.length === 1);
    caller.abort();
    expect(await outcome).toMatchObject({ kind: 'failed', error: { name: 'CancelledError' } });
    await peer.engagements[0]?.cancelled;
  });

  it('protocol 64: a closed runner object refuses', async () => {
    const runner = newGrpcRunner('127.0.0.1:1');
    await runner.close();
    const outcome = await runner.tryCall(anOutboundCall(), never);
    expect(outcome).toMatchObject({ kind: 'refused', reason: 'closed', error: { message: 'Runner is closed' } });
  });

  it('a runner that cannot be reached is tried again only after a while, and then found', async () => {
    const clock = new FakeClock();
    const port = await freePort();
    const backoff = { initialMs: 20, maxMs: 20 };
    const runner = newGrpcRunner(`127.0.0.1:${port}`, { backoff, clock, random: () => 1 });
    opened.push(runner);
    expect(await runner.tryCall(anOutboundCall(), never)).toMatchObject({ kind: 'refused', reason: 'unreachable' });

    let connections = 0;
    const server = net.createServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    opened.push(server);
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    await clock.advance(19);
    expect(await runner.tryCall(anOutboundCall(), never)).toMatchObject({ kind: 'refused', reason: 'unreachable' });
    expect(connections).toBe(0);
    await clock.advance(1);
    await runner.tryCall(anOutboundCall(), never);
    expect(connections).toBe(1);
  });
});

describe('the answer', () => {
  it('protocol 60: data before result_start is delivered with the default status', async () => {
    const { outcome, call } = await offer(async (e) => {
      await e.wholeBody;
      e.send({ kind: 'data', data: Buffer.from('early'), eof: false });
      finish(e, OK);
    });
    expect(outcome.kind).toBe('finished');
    expect(call.response).toMatchObject({ status: 200 });
    expect(call.response.body.toString()).toBe('early');
  });

  it('protocol 61: a writer that fails fails the attempt', async () => {
    const call = anOutboundCall();
    call.response.write = () => {
      throw new Error('short write');
    };
    const { outcome } = await offer((e) => e.send({ kind: 'data', data: Buffer.from('x'), eof: false }), call);
    expect(outcome).toMatchObject({ kind: 'failed', error: { message: 'short write' } });
  });

  it('protocol 62: a header with two values has two entries', async () => {
    const headers = [
      ['Set-Cookie', 'a=1'],
      ['Set-Cookie', 'b=2'],
    ] as const;
    const { call } = await offer((e) => {
      e.send({ kind: 'resultStart', status: 200, headers });
      finish(e, OK);
    });
    expect(call.response.headers).toEqual(headers);
  });

  it('protocol 63: a message with nothing in it is ignored', async () => {
    const { outcome } = await offer((e) => {
      e.sendBytes(Buffer.alloc(0));
      finish(e, OK);
    });
    expect(outcome.kind).toBe('finished');
  });

  it('protocol 32: an empty answer of an older runner, without result_start, is a 200', async () => {
    const { outcome, call } = await offer((e) => finish(e, OK));
    expect(outcome.kind).toBe('finished');
    expect(call.response.status).toBe(200);
    expect(call.executionNs).toBe(5);
  });

  it('a slow caller stops the runner instead of filling memory', async () => {
    const frame = { kind: 'data', data: Buffer.alloc(MAX_FRAME_BYTES), eof: false } as const;
    const call = anOutboundCall();
    call.response.slow = true;
    const { peer, runner } = await scripted((e) => {
      e.send({ kind: 'resultStart', status: 200, headers: [] });
      for (let i = 0; i < 1000; i += 1) e.send(frame);
      finish(e, OK);
    });
    const outcome = runner.tryCall(call, never);
    await waitFor(() => call.response.body.length > 0);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(call.response.body.length).toBeLessThan(1024 * 1024);
    call.response.release();
    expect(await outcome).toMatchObject({ kind: 'finished' });
    expect(call.response.body.length).toBe(1000 * MAX_FRAME_BYTES);
    expect(peer.engagements).toHaveLength(1);
  });

  it('close waits for calls in flight', async () => {
    const released = Promise.withResolvers<void>();
    const { runner } = await scripted(async (e) => {
      await released.promise;
      finish(e, OK);
    });
    const outcome = runner.tryCall(anOutboundCall(), never);
    let closed = false;
    const closing = runner.close().then(() => {
      closed = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(closed).toBe(false);
    released.resolve();
    expect((await outcome).kind).toBe('finished');
    await closing;
  });
});

function finish(engagement: ScriptedEngagement, report: CallReport): void {
  engagement.send({ kind: 'finished', report });
  engagement.end();
}

async function waitFor(condition: () => boolean): Promise<void> {
  for (let i = 0; !condition(); i += 1) {
    if (i > 10_000) throw new Error('waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
