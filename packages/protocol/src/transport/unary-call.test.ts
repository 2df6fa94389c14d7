import { FakeClock } from '@fnfleet/core';
import { StreamError } from '../engage/stream.js';
import { frameMessage } from './grpc-frames.js';
import { encodeHeaders } from './hpack/encoder.js';
import { RunnerPeer } from './runner-peer.js';
import { frame, uint32 } from './test-kit/frames.js';
import { Wired } from './test-kit/wired.js';
import { unaryCall } from './unary-call.js';
import { FLAG, FRAME, H2_ERROR } from './wire.js';

const HEAD = encodeHeaders([
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/RunnerProtocol/Status'],
]);
const ENDS = FLAG.END_HEADERS | FLAG.END_STREAM;
const MAX_MESSAGE_BYTES = 1000;

const headers = (fields: [string, string][], flags: number = FLAG.END_HEADERS) =>
  frame(FRAME.HEADERS, flags, 1, encodeHeaders(fields));
const status = (code: number) => headers([[':status', `${code}`]]);
const data = (bytes: Buffer, flags = 0) => frame(FRAME.DATA, flags, 1, bytes);
const message = (text: string) => data(frameMessage(Buffer.from(text)));
const reset = (code: number) => frame(FRAME.RST_STREAM, 0, 1, uint32(code));
const OK = headers([['grpc-status', '0']], ENDS);

/** One request of a balancer; the test is the runner. */
class Asked {
  readonly clock = new FakeClock();
  readonly aborter = new AbortController();
  readonly peer: RunnerPeer;
  /** The result: the answer, or why there is none. */
  result: string | StreamError | undefined;

  constructor(readonly wired: Wired) {
    this.peer = new RunnerPeer(wired.connection);
  }

  /** Types of the sent frames, and the code of a reset. */
  async sent(): Promise<number[][]> {
    await this.wired.turn();
    const { RST_STREAM, DATA } = FRAME;
    return this.wired.news().map(({ type, flags, payload }) => {
      if (type === RST_STREAM) return [type, payload.readUInt32BE(0)];
      return type === DATA ? [type, flags] : [type];
    });
  }

  async begin(): Promise<void> {
    unaryCall(this.peer, HEAD, Buffer.from('ask'), MAX_MESSAGE_BYTES, {
      timeoutMs: 500,
      signal: this.aborter.signal,
      clock: this.clock,
    }).then(
      (answer) => {
        this.result = answer.toString();
      },
      (error: StreamError) => {
        this.result = error;
      },
    );
    expect(await this.sent()).toEqual([[FRAME.HEADERS], [FRAME.DATA, FLAG.END_STREAM]]);
  }

  async says(...bytes: Buffer[]): Promise<void> {
    this.wired.say(...bytes);
    await this.wired.turn();
  }

  /** Nothing of it is held, and nothing of it waits. */
  isOver(): void {
    const { connection, closes, faults } = this.wired;
    expect([connection.openStreams, connection.assembly.bytes, this.clock.pendingTimers]).toEqual([0, 0, 0]);
    expect([closes, faults]).toEqual([[], []]);
  }
}

async function asked(): Promise<Asked> {
  const call = new Asked(await Wired.ready('client'));
  await call.begin();
  return call;
}

it.each`
  what                             | says                                                           | answer
  ${'in one piece'}                | ${[status(200), message('yes'), OK]}                           | ${'yes'}
  ${'after interim heads'}         | ${[status(100), status(199), status(200), message('yes'), OK]} | ${'yes'}
  ${'an empty one'}                | ${[status(200), message(''), OK]}                              | ${''}
  ${'the first, if there are two'} | ${[status(200), message('yes'), message('no'), OK]}            | ${'yes'}
  ${'with the status in its head'} | ${[headers([[':status', '200'], ['grpc-status', '0']]), message('yes'), headers([['x', 'y']], ENDS)]} | ${'yes'}
  ${'of exactly the limit'}        | ${[status(200), message('x'.repeat(MAX_MESSAGE_BYTES)), OK]}   | ${'x'.repeat(MAX_MESSAGE_BYTES)}
`('an answer $what', async ({ says, answer }) => {
  const call = await asked();
  await call.says(...says);
  expect(call.result).toBe(answer);
  call.isOver();
});

it.each`
  what                                    | says                                                                     | error
  ${'a status'} | ${[status(200), headers([['grpc-status', '5'], ['grpc-message', 'who']], ENDS)]} | ${{ code: 5, message: 'gRPC status 5: who', unreachable: false }}
  ${'a status after an answer'}           | ${[status(200), message('yes'), headers([['grpc-status', '13']], ENDS)]} | ${{ code: 13 }}
  ${'status OK without an answer'}        | ${[status(200), OK]}                                                     | ${{ code: 0 }}
  ${'HTTP 404'}                           | ${[headers([[':status', '404']], ENDS)]}                                 | ${{ code: 12 }}
  ${'HTTP 503 after an interim head'}     | ${[status(103), headers([[':status', '503']], ENDS)]}                    | ${{ code: 14, unreachable: false }}
  ${'an end without a status'}            | ${[status(200), message('yes'), data(Buffer.alloc(0), FLAG.END_STREAM)]} | ${{ code: 14, message: 'gRPC status 14: the stream ended without a status' }}
  ${'a reset'}                            | ${[reset(H2_ERROR.INTERNAL_ERROR)]}                                      | ${{ code: 14, message: 'gRPC status 14: stream reset, code 2', unreachable: false }}
  ${'a reset after HTTP 503'}             | ${[status(503), reset(H2_ERROR.CANCEL)]}                                 | ${{ code: 14, message: 'gRPC status 14: HTTP status 503 where a gRPC answer was expected' }}
  ${'a reset in the middle of an answer'} | ${[status(200), data(Buffer.from([0, 0, 0, 0, 9, 1])), reset(8)]}        | ${{ code: 14 }}
`('no answer, but $what', async ({ says, error }) => {
  const call = await asked();
  await call.says(...says);
  expect(call.result).toBeInstanceOf(StreamError);
  expect(call.result).toMatchObject(error);
  call.isOver();
});

it.each`
  what                           | bytes
  ${'a compressed answer'}       | ${Buffer.from([1, 0, 0, 0, 0])}
  ${'an answer above the limit'} | ${Buffer.from([0, 0, 0, 3, 233])}
`('$what is not read, and the stream is reset', async ({ bytes }) => {
  const call = await asked();
  await call.says(status(200), data(bytes));
  expect(call.result).toMatchObject({ code: 13, unreachable: false });
  expect(await call.sent()).toEqual([[FRAME.RST_STREAM, H2_ERROR.CANCEL]]);
  call.isOver();
});

it('a lost connection counts as an unreachable runner', async () => {
  const call = await asked();
  call.wired.connection.destroy(new Error('cut'));
  await call.wired.turn();
  expect(call.result).toMatchObject({ code: 14, message: 'gRPC status 14: cut', unreachable: true });
  expect(call.clock.pendingTimers).toBe(0);
});

it('fails at its time limit, and not before', async () => {
  const call = await asked();
  await call.says(status(200), data(Buffer.from([0, 0, 0, 0, 9, 1])));
  await call.clock.advance(499);
  expect(call.result).toBeUndefined();
  await call.clock.advance(1);
  expect(call.result).toMatchObject({ code: 4, message: 'gRPC status 4: no answer within 500 ms', unreachable: false });
  expect(await call.sent()).toEqual([[FRAME.RST_STREAM, H2_ERROR.CANCEL]]);
  call.isOver();
});

it('fails when its caller aborts; after the answer that changes nothing', async () => {
  const call = await asked();
  call.aborter.abort();
  expect(await call.sent()).toEqual([[FRAME.RST_STREAM, H2_ERROR.CANCEL]]);
  expect(call.result).toMatchObject({ code: 1, unreachable: false });
  call.isOver();
  const answered = await asked();
  await answered.says(status(200), message('yes'), OK);
  answered.aborter.abort();
  expect([answered.result, await answered.sent()]).toEqual(['yes', []]);
});

it('fails at once when its caller had already aborted', async () => {
  const wired = await Wired.ready('client');
  const clock = new FakeClock();
  const options = { timeoutMs: 500, signal: AbortSignal.abort(), clock };
  const error = unaryCall(new RunnerPeer(wired.connection), HEAD, Buffer.from('ask'), MAX_MESSAGE_BYTES, options);
  await expect(error).rejects.toMatchObject({ code: 1 });
  await wired.turn();
  expect(wired.news().at(-1)).toMatchObject({ type: FRAME.RST_STREAM });
  expect([wired.connection.openStreams, clock.pendingTimers]).toEqual([0, 0]);
});

it.each`
  what                                  | says                                                | health
  ${'a refusal'}                        | ${[reset(H2_ERROR.REFUSED_STREAM)]}                 | ${{ refusals: 2, hasAnswered: false, isSick: false }}
  ${'ENHANCE_YOUR_CALM'}                | ${[reset(H2_ERROR.ENHANCE_YOUR_CALM)]}              | ${{ refusals: 1, hasAnswered: false, isSick: true }}
  ${'ENHANCE_YOUR_CALM in an answer'}   | ${[status(200), reset(H2_ERROR.ENHANCE_YOUR_CALM)]} | ${{ refusals: 0, hasAnswered: true, isSick: false }}
  ${'an interim head'}                  | ${[status(199)]}                                    | ${{ refusals: 1, hasAnswered: false, isSick: false }}
  ${'an answer, which makes up for it'} | ${[status(200)]}                                    | ${{ refusals: 0, hasAnswered: true, isSick: false }}
`('what it shows about the connection, after a refusal: $what', async ({ says, health }) => {
  const call = await asked();
  call.peer.noteReset(H2_ERROR.REFUSED_STREAM);
  await call.says(...says);
  const { refusals, hasAnswered, isSick } = call.peer;
  expect({ refusals, hasAnswered, isSick }).toEqual(health);
});
