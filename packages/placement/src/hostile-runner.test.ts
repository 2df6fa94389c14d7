// takes: 15 s
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { MIB } from '@fnfleet/core';
import { type AttemptOutcome, NOTHING_REPORTED } from '@fnfleet/protocol';
import {
  aCall,
  anOutboundCall,
  dataFrame,
  eventually,
  FixedBody,
  FLAG,
  FRAME,
  fromRunner,
  GRPC_OK,
  GRPC_RESPONSE,
  goawayFrame,
  grpcMessage,
  H2_ERROR,
  type HeaderLines,
  headersFrame,
  hpackInteger,
  hpackString,
  literalHeaders,
  ORDINARY_ANSWER,
  pingFrame,
  type RawConnection,
  type RawRunner,
  type RawRunnerOptions,
  rawFrame,
  resetFrame,
  SETTING,
  settingsFrame,
  startRawRunner,
  TEST_LINK,
  uint32,
  windowUpdateFrame,
} from '@fnfleet/testing';
import { newGrpcRunner } from './grpc-runner.js';
import type { Runner } from './runner.js';

/**
 * Runners that break HTTP/2, gRPC or Engage, or are something else. After each, the call has an outcome, the next call is served by
 * the same runner once it behaves, and nothing is left.
 */

const never = new AbortController().signal;
/** Memory that one runner may make a balancer hold, bytes; also what may remain afterwards. */
const ONE_PEER_BYTES = 64 * MIB;

let peer: RawRunner;
let runner: Runner;
let before: ReturnType<typeof holdings>;
let bytesBefore: number;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function holdings() {
  const kinds = process.getActiveResourcesInfo();
  return {
    sockets: kinds.filter((kind) => kind === 'TCPSocketWrap').length,
    timers: kinds.filter((kind) => kind === 'Timeout').length,
  };
}

function bytesInUse(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Memory since the first test. Garbage is collected only where it matters, because that is slow. */
function heldBytes(): number {
  if (bytesInUse() - bytesBefore >= ONE_PEER_BYTES) collectGarbage();
  return bytesInUse() - bytesBefore;
}

beforeAll(() => {
  collectGarbage();
  bytesBefore = bytesInUse();
});

async function start(options: RawRunnerOptions): Promise<void> {
  before = holdings();
  peer = await startRawRunner(options);
  runner = newGrpcRunner(peer.address, {
    backoff: { initialMs: 5, maxMs: 20 },
    ...TEST_LINK,
    keepaliveTimeoutMs: 600,
  });
}

afterEach(async () => {
  peer.behave();
  await eventually(async () => {
    const call = anOutboundCall({ body: new FixedBody(Buffer.from('body')) });
    const limit = AbortSignal.timeout(1000);
    expect(await runner.tryCall(call, limit)).toMatchObject({ kind: 'finished' });
    expect(call.response.body.toString()).toBe('ordinary');
    expect(call.body.openReaders).toBe(0);
  });
  await runner.close();
  await peer.close();
  await eventually(() => {
    const now = holdings();
    expect(now.sockets).toBeLessThanOrEqual(before.sockets);
    expect(now.timers).toBeLessThanOrEqual(before.timers);
    expect(heldBytes()).toBeLessThan(ONE_PEER_BYTES);
  });
});

/** The outcome of the call; rejects when none comes. */
async function outcomeOf(call = anOutboundCall(), signal = never): Promise<AttemptOutcome> {
  let timer: NodeJS.Timeout | undefined;
  const none = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no outcome; ${peer.connections[0]?.summary()}`)), 30_000);
  });
  const outcome = await Promise.race([runner.tryCall(call, signal), none]).finally(() => clearTimeout(timer));
  expect(call.body.openReaders).toBe(0);
  return outcome;
}

const flood = async (connection: RawConnection, times: number, bytes: Buffer): Promise<void> => {
  const batch = Math.max(1, Math.floor(65_536 / bytes.length));
  const many = Buffer.concat(new Array<Buffer>(batch).fill(bytes));
  for (let sent = 0; sent < times && !connection.isClosed; sent += batch) await connection.writeAll(many);
};

const head = (id: number, headers: HeaderLines = GRPC_RESPONSE, flags = 0) =>
  headersFrame(id, literalHeaders(headers), FLAG.END_HEADERS | flags);
const trailers = (id: number, headers: HeaderLines = GRPC_OK) => head(id, headers, FLAG.END_STREAM);
const bomb = Buffer.concat([
  Buffer.from([0x40]),
  hpackString('x'),
  hpackString('y'.repeat(4000)),
  Buffer.alloc(12_000, 0x80 | 62),
]);
const failure = (errorCode: number) =>
  fromRunner({ kind: 'finished', report: { ...NOTHING_REPORTED, errorCode, errorText: 'words' } });

type Answers = NonNullable<RawRunnerOptions['answers']>;
const say =
  (bytes: (id: number) => readonly Buffer[]): Answers =>
  (connection, id) =>
    void connection.write(...bytes(id));

const NOTHING_RAN = ['refused'];
const FAILED = ['failed'];
/** Where HTTP/2 leaves open whether it ran; what matters is that the call gets an outcome. */
const EITHER = ['refused', 'failed'];

describe('instead of a greeting', () => {
  it.each`
    what                                | greets                                                                                                                               | outcome
    ${'the connection is closed'}       | ${(peer: RawConnection) => peer.socket.end()}                                                                                        | ${EITHER}
    ${'the connection is reset'}        | ${(peer: RawConnection) => peer.destroy()}                                                                                           | ${EITHER}
    ${'an HTTP/1.1 response'}           | ${(peer: RawConnection) => peer.write(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'))}                                              | ${EITHER}
    ${'noise'}                          | ${(peer: RawConnection) => peer.write(Buffer.alloc(4096, 0xa5))}                                                                     | ${EITHER}
    ${'a PING'}                         | ${(peer: RawConnection) => peer.write(pingFrame())}                                                                                  | ${EITHER}
    ${'GOAWAY, for no stream'}          | ${(peer: RawConnection) => peer.write(settingsFrame(), goawayFrame(0, H2_ERROR.NO_ERROR))}                                           | ${NOTHING_RAN}
    ${'GOAWAY with an error'}           | ${(peer: RawConnection) => peer.write(settingsFrame(), goawayFrame(0, H2_ERROR.INTERNAL_ERROR))}                                     | ${EITHER}
    ${'50 000 GOAWAY'} | ${(peer: RawConnection) => {
  peer.write(settingsFrame());
  return flood(peer, 50_000, goawayFrame(0, H2_ERROR.NO_ERROR));
}} | ${EITHER}
    ${'settings that allow no streams'} | ${(peer: RawConnection) => peer.write(settingsFrame([[SETTING.MAX_CONCURRENT_STREAMS, 0]]), resetFrame(1, H2_ERROR.REFUSED_STREAM))} | ${EITHER}
    ${'a window of 2 GiB'}              | ${(peer: RawConnection) => peer.write(settingsFrame([[SETTING.INITIAL_WINDOW_SIZE, 2 ** 31]]))}                                      | ${EITHER}
    ${'settings that allow push'}       | ${(peer: RawConnection) => peer.write(settingsFrame([[SETTING.ENABLE_PUSH, 1]]))}                                                    | ${['finished', ...EITHER]}
    ${'a larger window than possible'}  | ${(peer: RawConnection) => peer.write(settingsFrame(), windowUpdateFrame(0, 2 ** 31 - 1))}                                           | ${EITHER}
    ${'a stream opened by the runner'}  | ${(peer: RawConnection) => peer.write(settingsFrame(), head(2))}                                                                     | ${EITHER}
  `('$what: the call gets its outcome', async ({ greets, outcome }) => {
    await start({ greets });
    expect(outcome).toContain((await outcomeOf()).kind);
  });
});

describe('instead of an answer', () => {
  it.each`
    what                                                     | answers                                                                                                                         | outcome
    ${'REFUSED_STREAM'}                                      | ${say((id) => [resetFrame(id, H2_ERROR.REFUSED_STREAM)])}                                                                       | ${NOTHING_RAN}
    ${'ENHANCE_YOUR_CALM'}                                   | ${say((id) => [resetFrame(id, H2_ERROR.ENHANCE_YOUR_CALM)])}                                                                    | ${EITHER}
    ${'a reset with an unknown error'}                       | ${say((id) => [resetFrame(id, 0xffffffff)])}                                                                                    | ${FAILED}
    ${'a reset without an error'}                            | ${say((id) => [resetFrame(id, H2_ERROR.NO_ERROR)])}                                                                             | ${FAILED}
    ${'the end of the stream'}                               | ${say((id) => [head(id, GRPC_RESPONSE, FLAG.END_STREAM)])}                                                                      | ${FAILED}
    ${'DATA before a head'}                                  | ${say((id) => [dataFrame(id, ORDINARY_ANSWER)])}                                                                                | ${FAILED}
    ${'another stream'}                                      | ${say((id) => [head(id + 2)])}                                                                                                  | ${FAILED}
    ${'PUSH_PROMISE'}                                        | ${say((id) => [rawFrame(FRAME.PUSH_PROMISE, FLAG.END_HEADERS, id, Buffer.concat([uint32(2), literalHeaders(GRPC_RESPONSE)]))])} | ${FAILED}
    ${'an HTML page'} | ${say((id) => [head(id, [[':status', '200'], ['content-type', 'text/html']]), dataFrame(id, Buffer.from('<html>'), FLAG.END_STREAM)])} | ${FAILED}
    ${'HTTP status 502'}                                     | ${say((id) => [head(id, [[':status', '502']], FLAG.END_STREAM)])}                                                               | ${FAILED}
    ${'a head without a status'}                             | ${say((id) => [head(id, [['content-type', 'application/grpc']], FLAG.END_STREAM)])}                                             | ${FAILED}
    ${'a status that is not a number'}                       | ${say((id) => [head(id, [[':status', 'fine']], FLAG.END_STREAM)])}                                                              | ${FAILED}
    ${'two statuses'} | ${say((id) => [head(id, [[':status', '200'], [':status', '200']], FLAG.END_STREAM)])} | ${FAILED}
    ${'the pseudo headers of a request'}                     | ${say((id) => [head(id, [[':path', '/'], ...GRPC_RESPONSE], FLAG.END_STREAM)])}                                                 | ${FAILED}
    ${'CR LF in a header'}                                   | ${say((id) => [head(id, [...GRPC_RESPONSE, ['a', 'b\r\nc: d']], FLAG.END_STREAM)])}                                             | ${FAILED}
    ${'http2-settings and connection'}                       | ${say((id) => [head(id, [...GRPC_RESPONSE, ['http2-settings', 'x'], ['connection', 'x']], FLAG.END_STREAM)])}                   | ${FAILED}
    ${'an invalid gRPC status'}                              | ${say((id) => [head(id), trailers(id, [['grpc-status', 'x']])])}                                                                | ${FAILED}
    ${'a gRPC status of -1'}                                 | ${say((id) => [head(id), trailers(id, [['grpc-status', '-1']])])}                                                               | ${FAILED}
    ${'a gRPC status of 2^40'}                               | ${say((id) => [head(id), trailers(id, [['grpc-status', String(2 ** 40)]])])}                                                    | ${FAILED}
    ${'a gRPC message with invalid escapes'} | ${say((id) => [head(id), trailers(id, [['grpc-status', '2'], ['grpc-message', '%zz%']])])} | ${FAILED}
    ${'a garbage load report'} | ${say((id) => [head(id), trailers(id, [['grpc-status', '2'], ['endpoint-load-metrics-bin', '!!!']])])} | ${FAILED}
    ${'a header that grows to 48 MB with 12 000 references'} | ${say((id) => [headersFrame(id, bomb)])}                                                                                        | ${FAILED}
    ${'an index beyond the table'}                           | ${say((id) => [headersFrame(id, Buffer.from([0x80 | 70]))])}                                                                    | ${FAILED}
    ${'a table larger than allowed'}                         | ${say((id) => [headersFrame(id, hpackInteger(2 ** 30, 5, 0x20))])}                                                              | ${FAILED}
    ${'64 MiB of CONTINUATION'} | ${async (peer: RawConnection, id: number) => {
  peer.write(headersFrame(id, Buffer.alloc(0), 0));
  await flood(peer, 4096, rawFrame(FRAME.CONTINUATION, 0, id, Buffer.alloc(16_384, 0x20)));
}} | ${FAILED}
    ${'100 000 heads of 103'} | ${async (peer: RawConnection, id: number) => {
  await flood(peer, 100_000, head(id, [[':status', '103']]));
  peer.write(resetFrame(id, H2_ERROR.CANCEL));
}} | ${FAILED}
    ${'a head after a head'}                                 | ${say((id) => [head(id), head(id), head(id)])}                                                                                  | ${FAILED}
    ${'DATA after the trailers'}                             | ${say((id) => [head(id), trailers(id, [['grpc-status', '2']]), dataFrame(id, Buffer.alloc(1))])}                                | ${FAILED}
    ${'a frame of 16 MiB'}                                   | ${say((id) => [head(id), Buffer.from('ffffff000000000001', 'hex')])}                                                            | ${FAILED}
    ${'a stream window update of 0'}                         | ${say((id) => [windowUpdateFrame(id, 0)])}                                                                                      | ${FAILED}
    ${'a stream window beyond 2 GiB'}                        | ${say((id) => [windowUpdateFrame(id, 2 ** 31 - 1)])}                                                                            | ${FAILED}
    ${'a message announced with 4 GiB'}                      | ${say((id) => [head(id), dataFrame(id, Buffer.from([0, 0xff, 0xff, 0xff, 0xff]))])}                                             | ${FAILED}
    ${'a compressed message'}                                | ${say((id) => [head(id), dataFrame(id, Buffer.from([1, 0, 0, 0, 1, 0]))])}                                                      | ${FAILED}
    ${'garbage instead of a message'}                        | ${say((id) => [head(id), dataFrame(id, grpcMessage(Buffer.alloc(64, 0xff)))])}                                                  | ${FAILED}
    ${'nested groups'}                                       | ${say((id) => [head(id), dataFrame(id, grpcMessage(Buffer.alloc(16_000, 0x0b)))])}                                              | ${FAILED}
    ${'messages without a report'}                           | ${say((id) => [head(id), dataFrame(id, grpcMessage(Buffer.alloc(0))), trailers(id)])}                                           | ${FAILED}
    ${'half a message, then the end'}                        | ${say((id) => [head(id), dataFrame(id, ORDINARY_ANSWER.subarray(0, 9)), trailers(id)])}                                         | ${FAILED}
    ${'finished twice'}                                      | ${say((id) => [head(id), dataFrame(id, Buffer.concat([ORDINARY_ANSWER, failure(500)])), trailers(id)])}                         | ${FAILED}
    ${'data after finished'}                                 | ${say((id) => [head(id), dataFrame(id, Buffer.concat([ORDINARY_ANSWER, ORDINARY_ANSWER])), trailers(id)])}                      | ${FAILED}
    ${'finished successfully, then another status'}          | ${say((id) => [head(id), dataFrame(id, ORDINARY_ANSWER), trailers(id, [['grpc-status', '13']])])}                               | ${FAILED}
    ${'a failure without a code'}                            | ${say((id) => [head(id), dataFrame(id, failure(0)), trailers(id)])}                                                             | ${FAILED}
    ${'a failure with code -1'}                              | ${say((id) => [head(id), dataFrame(id, failure(-1)), trailers(id)])}                                                            | ${FAILED}
    ${'a failure, and no trailers'}                          | ${say((id) => [head(id), dataFrame(id, failure(500))])}                                                                         | ${FAILED}
    ${'success, and no trailers'}                            | ${say((id) => [head(id), dataFrame(id, ORDINARY_ANSWER)])}                                                                      | ${FAILED}
  `('$what: $outcome', async ({ answers, outcome }) => {
    await start({ answers });
    expect(outcome).toContain((await outcomeOf()).kind);
  });

  it('4 MiB to a caller that reads nothing, whatever the window: the stream ends', async () => {
    await start({
      answers: async (connection, id) => {
        connection.write(head(id), dataFrame(id, fromRunner({ kind: 'resultStart', status: 200, headers: [] })));
        await flood(
          connection,
          410,
          dataFrame(id, fromRunner({ kind: 'data', data: Buffer.alloc(10_240), eof: false })),
        );
      },
    });
    const call = anOutboundCall();
    call.response.slow = true;
    expect((await outcomeOf(call)).kind).toBe('failed');
  });

  it('repeated GOAWAY with the answer in between: the call finishes', async () => {
    await start({
      answers: async (connection, id) => {
        await flood(connection, 2_000, goawayFrame(id, H2_ERROR.NO_ERROR));
        connection.write(head(id), dataFrame(id, ORDINARY_ANSWER), trailers(id));
      },
    });
    expect((await outcomeOf()).kind).toBe('finished');
  });

  it('a runner that refuses every stream: calls go elsewhere, and the connection is replaced', async () => {
    await start({ answers: say((id) => [resetFrame(id, H2_ERROR.REFUSED_STREAM)]) });
    let calls = 0;
    await eventually(async () => {
      calls += 1;
      expect((await outcomeOf()).kind).toBe('refused');
      expect(peer.connections).toHaveLength(3);
    });
    expect(calls).toBeGreaterThan(3);
  });

  it('A1: a runner that answers every stream with ENHANCE_YOUR_CALM: the connection is replaced', async () => {
    await start({ answers: say((id) => [resetFrame(id, H2_ERROR.ENHANCE_YOUR_CALM)]) });
    await eventually(async () => {
      expect(EITHER).toContain((await outcomeOf()).kind);
      expect(peer.connections).toHaveLength(3);
    });
  });
});

describe('a peer that does nothing', () => {
  const silent = { acknowledges: false, answersPings: false, grantsWindow: false };

  it.each`
    what                                                 | options
    ${'no first frame and no answer'}                    | ${{ greets: () => undefined, answers: () => undefined, ...silent }}
    ${'a first frame and no answer'}                     | ${{ answers: () => undefined }}
    ${'a head and no answer'}                            | ${{ answers: say((id) => [head(id)]) }}
    ${'an announced start acknowledgement, and nothing'} | ${{ answers: say((id) => [head(id, [...GRPC_RESPONSE, ['fnfleet-started', '1']])]) }}
    ${'half an answer'}                                  | ${{ answers: say((id) => [head(id), dataFrame(id, ORDINARY_ANSWER.subarray(0, 30))]) }}
  `('$what: the caller may leave, and its stream ends with it', async ({ options }) => {
    await start(options);
    const gone = new AbortController();
    const outcome = outcomeOf(anOutboundCall({ body: new FixedBody(Buffer.alloc(MIB), 1000) }), gone.signal);
    await eventually(() => expect(peer.connections[0]?.heads).toHaveLength(1));
    gone.abort();
    expect((await outcome).kind).toBe('failed');
    await peer.connections[0]?.frame(({ type }) => type === FRAME.RST_STREAM);
    if (options.greets) peer.connections[0]?.destroy();
  });

  it('a runner of ours that becomes unresponsive is given up, and calls that had not started go elsewhere', async () => {
    await start({
      answersPings: false,
      answers: say((id) => [head(id, [...GRPC_RESPONSE, ['fnfleet-started', '2']])]),
    });
    expect((await outcomeOf()).kind).toBe('refused');
  });

  const large = () => anOutboundCall({ model: aCall({ url: `http://localhost/t/app/t?${'x'.repeat(MIB)}` }) });

  it('A1: 160 calls with 1 MB of query to a runner without a window, whose callers leave: little memory is held, and the next call is served', async () => {
    await start({ answers: () => undefined, grantsWindow: false });
    for (let index = 0; index < 40; index += 1) {
      const gone = new AbortController();
      const outcomes = [large(), large(), large(), large()].map((call) => outcomeOf(call, gone.signal));
      await new Promise((resolve) => setImmediate(resolve));
      gone.abort();
      for (const { kind } of await Promise.all(outcomes)) expect(kind).toBe('failed');
    }
    // Garbage buffers are freed outside the heap.
    await eventually(() => expect(heldBytes()).toBeLessThan(ONE_PEER_BYTES));
    for (const connection of peer.connections) connection.write(windowUpdateFrame(0, 2 ** 24));
  });

  it('A1: the same to a runner that reads nothing', async () => {
    await start({
      greets: (connection) =>
        void connection.write(settingsFrame([[SETTING.INITIAL_WINDOW_SIZE, 2 ** 30]]), windowUpdateFrame(0, 2 ** 30)),
      answers: (connection) => void connection.socket.pause(),
    });
    for (let index = 0; index < 40; index += 1) {
      const gone = new AbortController();
      const outcomes = [large(), large(), large(), large()].map((call) => outcomeOf(call, gone.signal));
      await new Promise((resolve) => setImmediate(resolve));
      gone.abort();
      for (const { kind } of await Promise.all(outcomes)) expect(EITHER).toContain(kind);
    }
    await eventually(() => expect(heldBytes()).toBeLessThan(ONE_PEER_BYTES));
    for (const { socket } of peer.connections) socket.resume();
  });
});

describe('floods during a call', () => {
  it.each`
    what                             | bytes
    ${'SETTINGS'}                    | ${settingsFrame()}
    ${'PING'}                        | ${pingFrame()}
    ${'PRIORITY'}                    | ${rawFrame(FRAME.PRIORITY, 0, 1, Buffer.alloc(5))}
    ${'empty DATA'}                  | ${dataFrame(1, Buffer.alloc(0))}
    ${'WINDOW_UPDATE'}               | ${windowUpdateFrame(0, 1)}
    ${'unknown frames'}              | ${rawFrame(0xfa, 0, 0)}
    ${'RST_STREAM of other streams'} | ${resetFrame(1)}
    ${'ALTSVC'}                      | ${rawFrame(0xa, 0, 0, Buffer.alloc(100))}
  `('100 000 $what: the call has an outcome', async ({ bytes }) => {
    await start({
      answers: async (connection, id) => {
        connection.write(head(id));
        await flood(connection, 100_000, bytes);
        connection.write(dataFrame(id, ORDINARY_ANSWER), trailers(id));
      },
    });
    expect(['finished', ...EITHER]).toContain((await outcomeOf()).kind);
  });
});
