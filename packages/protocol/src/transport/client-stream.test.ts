import type { RunnerMessage } from '../engage/messages.js';
import { STARTED_HEADER } from '../engage/start-ack.js';
import type { StreamEnd } from '../engage/stream.js';
import { encodeRunnerMessage, NOTHING_REPORTED } from '../wire/codec.js';
import type { LoadReport } from '../wire/load-report.js';
import { encodeOrca, INSTANCE_ID_HEADER, LOAD_TRAILER } from '../wire/orca.js';
import { EngageStream } from './client-stream.js';
import { frameMessage } from './grpc-frames.js';
import { encodeHeaders } from './hpack/encoder.js';
import { RunnerPeer } from './runner-peer.js';
import { frame, uint32 } from './test-kit/frames.js';
import { Wired } from './test-kit/wired.js';
import { FLAG, FRAME, H2_ERROR } from './wire.js';

const HEAD = encodeHeaders([
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/RunnerProtocol/Engage'],
]);
const ENDS = FLAG.END_HEADERS | FLAG.END_STREAM;
const MAX_MESSAGE_BYTES = 1000;

const headers = (fields: [string, string][], flags: number = FLAG.END_HEADERS) =>
  frame(FRAME.HEADERS, flags, 1, encodeHeaders(fields));
const status = (code: number | string, ...more: [string, string][]) => headers([[':status', `${code}`], ...more]);
const trailers = (...fields: [string, string][]) => headers(fields, ENDS);
const data = (bytes: Buffer, flags = 0) => frame(FRAME.DATA, flags, 1, bytes);
const message = (sent: RunnerMessage) => data(frameMessage(encodeRunnerMessage(sent)));
const reset = (code: number) => frame(FRAME.RST_STREAM, 0, 1, uint32(code));
const PING = frame(FRAME.PING, 0, 0, Buffer.alloc(8));

const FINISHED: RunnerMessage = { kind: 'finished', report: { ...NOTHING_REPORTED, success: true } };
const STARTED: RunnerMessage = { kind: 'started' };
const OK = trailers(['grpc-status', '0']);
const LOAD: LoadReport = {
  instanceId: 'run-1',
  memoryUsedBytes: 10,
  memoryTotalBytes: 100,
  memoryIdleBytes: 0,
  cpuUsedMillis: 10,
  cpuTotalMillis: 100,
  active: 1,
  waiting: 2,
  freeSlots: 3,
  draining: false,
  degraded: false,
  degradedReason: '',
};

/** An engagement of a balancer; the test is the runner. */
class Engagement {
  readonly messages: string[] = [];
  readonly ends: StreamEnd[] = [];
  readonly loads: LoadReport[] = [];
  writable = 0;
  /** How often the channel was notified of the end of the stream. */
  over = 0;
  readonly peer: RunnerPeer;
  readonly stream: EngageStream;

  constructor(readonly wired: Wired) {
    this.peer = new RunnerPeer(wired.connection);
    this.stream = new EngageStream(
      {
        onMessage: ({ kind }) => void this.messages.push(kind),
        onWritable: () => {
          this.writable += 1;
        },
        onEnd: (end) => void this.ends.push(end),
        onLoad: (load) => void this.loads.push(load),
      },
      MAX_MESSAGE_BYTES,
      () => {
        this.over += 1;
      },
    );
  }

  /** Frames sent since the last call. */
  async sent(): Promise<string[]> {
    await this.wired.turn();
    return this.wired.news().map(({ type, flags, payload }) => {
      if (type === FRAME.RST_STREAM) return `RST_STREAM ${payload.readUInt32BE(0)}`;
      const name = Object.keys(FRAME)[type];
      return (flags & FLAG.END_STREAM) !== 0 ? `${name}, end` : `${name}`;
    });
  }

  /** Nothing of it is held, and nothing is called again. */
  isOver(): void {
    const { wired, peer, over, ends } = this;
    expect([wired.connection.openStreams, wired.connection.assembly.bytes, wired.faults]).toEqual([0, 0, []]);
    expect([over, ends.length]).toEqual([1, 1]);
    peer.look(true);
    peer.look(true);
    wired.say(PING);
    expect([this.over, this.ends.length]).toEqual([1, 1]);
  }
}

async function engaged(): Promise<Engagement> {
  const engagement = new Engagement(await Wired.ready('client'));
  engagement.stream.attach(engagement.peer, HEAD);
  engagement.stream.halfClose();
  await engagement.sent();
  return engagement;
}

describe('an engagement ends with the last status of its runner', () => {
  const ANSWER = status(200);
  const half = data(frameMessage(Buffer.alloc(900)).subarray(0, 500));
  it.each`
    what                                                  | says                                                                   | end
    ${'a message and status OK'}                          | ${[ANSWER, message(FINISHED), OK]}                                     | ${{ code: 0, mayHaveArrived: true, lost: undefined }}
    ${'interim heads before the answer'}                  | ${[status(100), status(199), ANSWER, message(FINISHED), OK]}           | ${{ code: 0, details: '' }}
    ${'a status with a message'}                          | ${[ANSWER, trailers(['grpc-status', '8'], ['grpc-message', 'a%20b'])]} | ${{ code: 8, details: 'a b', lost: undefined }}
    ${'only a status'} | ${[headers([[':status', '200'], ['grpc-status', '5']], ENDS)]} | ${{ code: 5, mayHaveArrived: true, lost: undefined }}
    ${'HTTP 404'}                                         | ${[headers([[':status', '404']], ENDS)]}                               | ${{ code: 12, details: 'HTTP status 404 where a gRPC answer was expected' }}
    ${'HTTP 503 after an interim head'}                   | ${[status(103), headers([[':status', '503']], ENDS)]}                  | ${{ code: 14 }}
    ${'HTTP 200 in a head of 503'} | ${[headers([[':status', '503'], ['grpc-status', '0']], ENDS)]} | ${{ code: 0 }}
    ${'the status of the head, and trailers without one'} | ${[status(200, ['grpc-status', '9']), trailers(['x', 'y'])]}           | ${{ code: 9 }}
    ${'an end without a status'}                          | ${[ANSWER, data(Buffer.alloc(0), FLAG.END_STREAM)]}                    | ${{ code: 14, details: 'the stream ended without a status', lost: 'allDataRead', mayHaveArrived: true }}
    ${'a reset'}                                          | ${[ANSWER, reset(H2_ERROR.INTERNAL_ERROR)]}                            | ${{ code: 14, details: 'stream reset, code 2', lost: 'allDataRead', mayHaveArrived: true }}
    ${'a reset in the middle of a message'}               | ${[ANSWER, half, reset(H2_ERROR.CANCEL)]}                              | ${{ code: 14, lost: 'allDataRead' }}
    ${'REFUSED_STREAM'}                                   | ${[reset(H2_ERROR.REFUSED_STREAM)]}                                    | ${{ code: 14, lost: 'allDataRead', mayHaveArrived: false }}
    ${'a reset after a status'}                           | ${[status(503), reset(H2_ERROR.CANCEL)]}                               | ${{ code: 14, details: 'HTTP status 503 where a gRPC answer was expected', lost: undefined }}
  `('$what', async ({ says, end }) => {
    const engagement = await engaged();
    engagement.wired.say(...says);
    expect(engagement.ends).toMatchObject([end]);
    engagement.isOver();
  });

  it.each`
    what                              | bytes                                      | code
    ${'a compressed message'}         | ${Buffer.from([1, 0, 0, 0, 0])}            | ${13}
    ${'a message above the limit'}    | ${Buffer.from([0, 0, 0, 3, 233])}          | ${8}
    ${'bytes that are not a message'} | ${frameMessage(Buffer.from([0x0a, 0xff]))} | ${13}
  `('$what is not read, and the stream is reset', async ({ bytes, code }) => {
    const engagement = await engaged();
    engagement.wired.say(status(200), data(bytes), message(FINISHED), OK);
    expect(engagement.ends).toMatchObject([
      { code, details: expect.stringMatching(/^unreadable message from the runner: ./), mayHaveArrived: true },
    ]);
    expect([engagement.messages, await engagement.sent()]).toEqual([[], [`RST_STREAM ${H2_ERROR.CANCEL}`]]);
    engagement.isOver();
  });

  it('a message of exactly the limit is accepted', async () => {
    const engagement = await engaged();
    const empty = encodeRunnerMessage({ kind: 'data', data: Buffer.alloc(900), eof: false }).length - 900;
    const full: RunnerMessage = { kind: 'data', data: Buffer.alloc(MAX_MESSAGE_BYTES - empty), eof: false };
    expect(encodeRunnerMessage(full)).toHaveLength(MAX_MESSAGE_BYTES);
    engagement.wired.say(status(200), message(full), OK);
    expect([engagement.messages, engagement.ends[0]?.code]).toEqual([['data'], 0]);
  });

  it('the connection is lost: the last data of the runner is unknown', async () => {
    const engagement = await engaged();
    engagement.wired.connection.destroy(new Error('cut'));
    expect(engagement.ends).toMatchObject([{ code: 14, details: 'cut', lost: 'unsure', mayHaveArrived: true }]);
    expect(engagement.over).toBe(1);
  });

  it('an owner that throws in its callback affects no other', async () => {
    const engagement = await engaged();
    engagement.ends.push = () => {
      throw new Error('a fault');
    };
    engagement.wired.say(status(200), OK);
    await engagement.wired.turn();
    expect([engagement.over, engagement.wired.faults.length, engagement.wired.closes]).toEqual([1, 1, []]);
  });
});

describe('the guarantee of a runner for `started`', () => {
  const lost = async (...heads: Buffer[]) => {
    const engagement = await engaged();
    engagement.wired.say(...heads, reset(H2_ERROR.CANCEL));
    return engagement;
  };

  it.each`
    what                       | heads                                                             | promise
    ${'nothing'}               | ${[status(200)]}                                                  | ${'none'}
    ${'that it has been sent'} | ${[status(200, [STARTED_HEADER, '1'])]}                           | ${'announced'}
    ${'that it has been read'} | ${[status(200, [STARTED_HEADER, '2'])]}                           | ${'confirmed'}
    ${'it twice'}              | ${[status(200, [STARTED_HEADER, '2'], [STARTED_HEADER, '2'])]}    | ${'none'}
    ${'it in the final head'}  | ${[status(100), status(103), status(200, [STARTED_HEADER, '2'])]} | ${'confirmed'}
    ${'it in an interim head'} | ${[status(103, [STARTED_HEADER, '2']), status(200)]}              | ${'none'}
  `('$what: $promise', async ({ heads, promise }) => {
    const { ends, peer } = await lost(...heads);
    expect(ends[0]?.startAckMode).toBe(promise);
    expect(peer.startAckMode).toBe(promise === 'none' ? undefined : promise);
  });

  it('applies to a stream that was lost before its head, if the runner announced it on another', async () => {
    const engagement = await engaged();
    engagement.peer.startAckMode = 'announced';
    engagement.wired.say(reset(H2_ERROR.CANCEL));
    expect(engagement.ends[0]?.startAckMode).toBe('announced');
  });

  it('an announced start counts when it is read; a confirmed one when the runner requests a receipt', async () => {
    const announced = await engaged();
    announced.wired.say(status(200, [STARTED_HEADER, '1']), message(STARTED));
    expect(announced.messages).toEqual(['started']);
    const confirmed = await engaged();
    confirmed.wired.say(status(200, [STARTED_HEADER, '2']), message(STARTED));
    expect(confirmed.messages).toEqual([]);
    confirmed.wired.say(PING, PING);
    expect(confirmed.messages).toEqual(['started']);
  });

  it('a repeated one counts once, and not at all when the stream is over before the receipt', async () => {
    const twice = await engaged();
    twice.wired.say(status(200, [STARTED_HEADER, '2']), message(STARTED), message(STARTED), PING);
    expect(twice.messages).toEqual(['started']);
    const over = await engaged();
    over.wired.say(status(200, [STARTED_HEADER, '2']), message(STARTED), reset(H2_ERROR.CANCEL), PING);
    expect([over.messages, over.ends[0]?.startAckMode]).toEqual([[], 'confirmed']);
  });
});

describe('the health of the connection, according to its streams', () => {
  it('an answer makes up for refusals; an interim status does not', async () => {
    const { peer, wired } = await engaged();
    peer.noteReset(H2_ERROR.REFUSED_STREAM);
    wired.say(status(100));
    expect([peer.hasAnswered, peer.refusals]).toEqual([false, 1]);
    wired.say(status(200));
    expect([peer.hasAnswered, peer.refusals]).toEqual([true, 0]);
  });

  it.each`
    what                                   | says                                                | sick
    ${'ENHANCE_YOUR_CALM'}                 | ${[reset(H2_ERROR.ENHANCE_YOUR_CALM)]}              | ${true}
    ${'ENHANCE_YOUR_CALM after an answer'} | ${[status(200), reset(H2_ERROR.ENHANCE_YOUR_CALM)]} | ${false}
    ${'another reset'}                     | ${[reset(H2_ERROR.INTERNAL_ERROR)]}                 | ${false}
  `('$what: accepts no more streams? $sick', async ({ says, sick }) => {
    const { peer, wired } = await engaged();
    wired.say(...says);
    expect([peer.isSick, peer.takesStreams]).toEqual([sick, !sick]);
  });
});

describe('load', () => {
  const withLoad = trailers(['grpc-status', '0'], [LOAD_TRAILER, encodeOrca(LOAD)]);
  it.each`
    what                                  | says                                                                                                    | loads
    ${'of a process with an instance id'} | ${[status(200, [INSTANCE_ID_HEADER, 'run-1']), withLoad]}                                               | ${[LOAD]}
    ${'of a process without one'}         | ${[status(200), withLoad]}                                                                              | ${[{ ...LOAD, instanceId: '' }]}
    ${'that is unreadable'}               | ${[status(200), trailers(['grpc-status', '0'], [LOAD_TRAILER, 'AAAA'])]}                                | ${[]}
    ${'twice'}                            | ${[status(200), trailers(['grpc-status', '0'], [LOAD_TRAILER, encodeOrca(LOAD)], [LOAD_TRAILER, 'x'])]} | ${[]}
    ${'none'}                             | ${[status(200), OK]}                                                                                    | ${[]}
  `('$what', async ({ says, loads }) => {
    const engagement = await engaged();
    engagement.wired.say(...says);
    expect([engagement.loads, engagement.ends[0]?.code]).toEqual([loads, 0]);
  });
});

describe('before there is a connection', () => {
  it('sent messages wait, and then go in order; the owner may send more when they have gone', async () => {
    const wired = await Wired.ready('client');
    const engagement = new Engagement(wired);
    const { stream } = engagement;
    expect(stream.send({ kind: 'try', callJson: '{}', slotHash: '', extensions: {} })).toBe(false);
    expect(stream.send({ kind: 'data', data: Buffer.from('abc'), eof: false })).toBe(false);
    expect(await engagement.sent()).toEqual([]);
    stream.attach(engagement.peer, HEAD);
    expect(await engagement.sent()).toEqual(['HEADERS', 'DATA']);
    expect(engagement.writable).toBe(1);
    expect(stream.send({ kind: 'data', data: Buffer.from('def'), eof: true })).toBe(true);
    stream.halfClose();
    expect(await engagement.sent()).toEqual(['DATA, end']);
    expect(stream.send({ kind: 'data', data: Buffer.from('late'), eof: true })).toBe(false);
  });

  it('a complete request ends after its messages, and no more are requested', async () => {
    const wired = await Wired.ready('client');
    const engagement = new Engagement(wired);
    engagement.stream.send({ kind: 'data', data: Buffer.from('abc'), eof: true });
    engagement.stream.halfClose();
    engagement.stream.attach(engagement.peer, HEAD);
    expect([await engagement.sent(), engagement.writable]).toEqual([['HEADERS', 'DATA, end'], 0]);
  });

  it('a paused stream stays paused; without sent messages no more are requested', async () => {
    const wired = await Wired.ready('client');
    const engagement = new Engagement(wired);
    engagement.stream.pause();
    engagement.stream.attach(engagement.peer, HEAD);
    await engagement.sent();
    wired.say(status(200), message(FINISHED), OK);
    await wired.turn();
    expect([engagement.messages, engagement.ends, engagement.writable]).toEqual([[], [], 0]);
    engagement.stream.resume();
    await wired.turn();
    expect([engagement.messages, engagement.ends.length]).toEqual([['finished'], 1]);
  });

  it('a stream that was resumed before is not paused', async () => {
    const wired = await Wired.ready('client');
    const engagement = new Engagement(wired);
    engagement.stream.pause();
    engagement.stream.resume();
    engagement.stream.attach(engagement.peer, HEAD);
    await engagement.sent();
    wired.say(status(200), message(FINISHED));
    expect(engagement.messages).toEqual(['finished']);
  });

  it.each(['cancel', 'release'] as const)('%s ends it later than the call, and nothing is ever sent', async (how) => {
    const wired = await Wired.ready('client');
    const engagement = new Engagement(wired);
    engagement.stream.send({ kind: 'data', data: Buffer.from('abc'), eof: false });
    engagement.stream[how]();
    expect(engagement.ends).toEqual([]);
    engagement.stream.attach(engagement.peer, HEAD);
    expect(await engagement.sent()).toEqual([]);
    expect(engagement.ends).toMatchObject([{ code: 1, details: 'cancelled', mayHaveArrived: false }]);
    engagement.isOver();
  });

  it('a runner that is unreachable or accepts no more streams has not received the call', async () => {
    const wired = await Wired.ready('client');
    const unreachable = new Engagement(wired);
    unreachable.stream.unreachable(new Error('no route'));
    const full = new Engagement(wired);
    full.peer.noteReset(H2_ERROR.ENHANCE_YOUR_CALM);
    full.stream.attach(full.peer, HEAD);
    expect([unreachable.ends, full.ends]).toEqual([[], []]); // not within the call
    await wired.turn();
    expect(unreachable.ends).toMatchObject([
      {
        code: 14,
        details: 'cannot reach the runner: no route',
        mayHaveArrived: false,
        startAckMode: 'none',
        lost: undefined,
      },
    ]);
    expect(full.ends).toMatchObject([
      { code: 14, details: expect.stringContaining('no more streams'), mayHaveArrived: false },
    ]);
    for (const engagement of [unreachable, full]) engagement.isOver();
  });
});

describe('an engagement that its owner no longer wants', () => {
  it('cancel resets the stream, and the end comes after the call has returned', async () => {
    const engagement = await engaged();
    engagement.wired.say(status(200), data(frameMessage(Buffer.alloc(900)).subarray(0, 500)));
    engagement.stream.cancel();
    expect([engagement.ends, engagement.wired.connection.assembly.bytes]).toEqual([[], 0]);
    engagement.wired.say(message(FINISHED), OK);
    expect(await engagement.sent()).toEqual([`RST_STREAM ${H2_ERROR.CANCEL}`]);
    expect([engagement.messages, engagement.ends]).toMatchObject([[], [{ code: 1, mayHaveArrived: true }]]);
    engagement.isOver();
    engagement.stream.cancel();
    await engagement.wired.turn();
    engagement.isOver();
  });

  it('released, it reads the trailers that follow, and nothing else', async () => {
    const engagement = await engaged();
    engagement.wired.say(status(200, [INSTANCE_ID_HEADER, 'run-1']), message(FINISHED));
    engagement.stream.pause();
    engagement.stream.release();
    engagement.wired.say(message(FINISHED), trailers(['grpc-status', '0'], [LOAD_TRAILER, encodeOrca(LOAD)]));
    expect([await engagement.sent(), engagement.messages, engagement.loads]).toEqual([[], ['finished'], [LOAD]]);
    expect(engagement.ends).toMatchObject([{ code: 0 }]);
    engagement.isOver();
  });

  it('released while it still sends: the rest of the request is cut off when the trailers have arrived', async () => {
    const engagement = new Engagement(await Wired.ready('client'));
    engagement.stream.attach(engagement.peer, HEAD);
    await engagement.sent();
    engagement.wired.say(status(200), message(FINISHED));
    engagement.stream.release();
    expect(await engagement.sent()).toEqual([]);
    engagement.wired.say(OK);
    expect(await engagement.sent()).toEqual([`RST_STREAM ${H2_ERROR.NO_ERROR}`]);
    expect(engagement.ends).toMatchObject([{ code: 0 }]);
    engagement.isOver();
  });

  it('released when its end is already here, it ends at once and without an error', async () => {
    const engagement = new Engagement(await Wired.ready('client'));
    engagement.stream.attach(engagement.peer, HEAD);
    await engagement.sent();
    engagement.wired.say(status(200));
    engagement.stream.pause();
    engagement.wired.say(message(FINISHED), data(Buffer.alloc(0), FLAG.END_STREAM));
    engagement.stream.release();
    expect(engagement.ends).toEqual([]);
    expect(await engagement.sent()).toEqual([`RST_STREAM ${H2_ERROR.NO_ERROR}`]);
    expect(engagement.ends).toMatchObject([
      { code: 14, details: 'no trailers after the last message', mayHaveArrived: true, lost: undefined },
    ]);
    engagement.isOver();
  });

  it('released and never ended by the runner, it is destroyed with the second look', async () => {
    const engagement = await engaged();
    engagement.wired.say(status(200), message(FINISHED));
    engagement.stream.release();
    engagement.peer.look(true);
    expect(engagement.ends).toEqual([]);
    engagement.peer.look(true);
    expect(engagement.ends).toMatchObject([{ code: 14, details: 'no trailers after the last message' }]);
    expect(await engagement.sent()).toEqual([`RST_STREAM ${H2_ERROR.NO_ERROR}`]);
    engagement.isOver();
  });

  it('released within a message, it does not deliver the next one that came with it', async () => {
    const engagement = await engaged();
    const push = engagement.messages.push.bind(engagement.messages);
    engagement.messages.push = (kind) => {
      engagement.stream.release();
      return push(kind);
    };
    const both = [FINISHED, STARTED].map((one) => frameMessage(encodeRunnerMessage(one)));
    engagement.wired.say(status(200), data(Buffer.concat(both)), OK);
    expect([[...engagement.messages], engagement.ends[0]?.code]).toEqual([['finished'], 0]);
    engagement.isOver();
  });

  it('an outcome leaves the request open until its owner releases it', async () => {
    const engagement = new Engagement(await Wired.ready('client'));
    engagement.stream.attach(engagement.peer, HEAD);
    await engagement.sent();
    engagement.wired.say(status(200), message(FINISHED), OK);
    expect([engagement.ends.length, await engagement.sent()]).toEqual([1, []]);
    engagement.stream.release();
    expect(await engagement.sent()).toEqual([`RST_STREAM ${H2_ERROR.NO_ERROR}`]);
    engagement.isOver();
  });

  it('released after it was over, nothing happens', async () => {
    const engagement = await engaged();
    engagement.wired.say(status(200), message(FINISHED), OK);
    engagement.stream.release();
    expect(await engagement.sent()).toEqual([]);
    engagement.isOver();
  });
});
