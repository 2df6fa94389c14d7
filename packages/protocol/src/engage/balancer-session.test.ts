import { getEventListeners } from 'node:events';
import {
  type Call,
  CancelledError,
  describeError,
  encodeBinaryTrace,
  encodeCall,
  FakeClock,
  FnError,
  type Logger,
  type MonoMs,
  NO_TRACE,
  openSpan,
  type PeerError,
  RecordedMetrics,
  RecordedSpans,
  type ResponseWriter,
  SpanKind,
  silentLogger,
} from '@fnfleet/core';
import { NOTHING_REPORTED } from '../wire/codec.js';
import type { LoadReport } from '../wire/load-report.js';
import { type EngageOptions, newStatusLimits, offerCall } from './balancer-session.js';
import type { CallReport } from './messages.js';
import { type ClientMessage, MAX_MESSAGE_BYTES, type RunnerMessage } from './messages.js';
import type { AttemptOutcome, BodyPiece, BodyReader, OutboundCall } from './outbound-call.js';
import type { StartAckMode } from './start-ack.js';
import { type ClientStream, type ClientStreamHandler, GRPC_STATUS, type StreamEnd } from './stream.js';

/** A stream that records what the session did to it. */
class FakeStream implements ClientStream {
  readonly sent: ClientMessage[] = [];
  full = false;
  paused = false;
  halfClosed = false;
  ended: 'cancelled' | 'released' | undefined;

  send(message: ClientMessage): boolean {
    this.sent.push(message);
    return !this.full;
  }
  pause() {
    this.paused = true;
  }
  resume() {
    this.paused = false;
  }
  halfClose() {
    this.halfClosed = true;
  }
  cancel() {
    if (this.ended) throw new Error('ended twice');
    this.ended = 'cancelled';
  }
  release() {
    if (this.ended) throw new Error('ended twice');
    this.ended = 'released';
  }
}

/** One offer, with everything that the session uses controlled by the test. */
function offer(overrides: Partial<OutboundCall> = {}, writer: Partial<ResponseWriter> = {}, logger?: Logger) {
  const stream = new FakeStream();
  const caller = new AbortController();
  const clock = new FakeClock();
  const statusLimits = newStatusLimits(clock);
  const pieces: (BodyPiece | Error)[] = [];
  const seen = {
    committed: 0,
    openReaders: 0,
    reruns: 0,
    starts: 0,
    status: 0,
    text: '',
    headers: undefined as unknown,
    drain: undefined as unknown,
    options: undefined as EngageOptions | undefined,
    loads: [] as (readonly [LoadReport, OutboundCall])[],
  };
  let reader: BodyReader | undefined;
  let handler: ClientStreamHandler | undefined;
  let engagements = 0;
  const call: OutboundCall = {
    model: { id: 'call1', config: {} } as Call,
    slotHash: '',
    extensions: {},
    body: {
      replayable: true,
      open() {
        seen.openReaders += 1;
        reader = {
          onReadable: undefined,
          read() {
            const piece = pieces.shift();
            if (piece instanceof Error) throw piece;
            return piece;
          },
          close() {
            seen.openReaders -= 1;
          },
        };
        return reader;
      },
      commit() {
        seen.committed += 1;
      },
    },
    response: {
      writeHead(status, headers) {
        seen.status = status;
        seen.headers = headers;
      },
      write(chunk) {
        seen.text += chunk;
        return true;
      },
      onDrain(callback) {
        seen.drain = callback;
      },
      ...writer,
    },
    started() {
      seen.starts += 1;
    },
    runsAgain() {
      seen.reruns += 1;
    },
    addExecution: () => undefined,
    ...overrides,
  };
  const channel = {
    address: 'r1:9190',
    engage(options: EngageOptions, listener: ClientStreamHandler) {
      engagements += 1;
      seen.options = options;
      handler = listener;
      return stream;
    },
  };
  const outcomes: AttemptOutcome[] = [];
  const onLoad = (...load: [LoadReport, OutboundCall]) => void seen.loads.push(load);
  const over = offerCall(call, channel, caller.signal, logger, onLoad, statusLimits).then((outcome) => {
    outcomes.push(outcome);
    return outcome;
  });
  return {
    stream,
    caller,
    clock,
    seen,
    over,
    get engagements() {
      return engagements;
    },
    say: (...messages: RunnerMessage[]) => {
      for (const message of messages) handler?.onMessage(message);
    },
    end: (end: Partial<StreamEnd> = {}) => handler?.onEnd({ ...WITH_STATUS, ...end }),
    writable: () => handler?.onWritable(),
    load: (load: LoadReport) => handler?.onLoad?.(load),
    upload(...more: (BodyPiece | Error)[]) {
      pieces.push(...more);
      reader?.onReadable?.();
    },
    /** Every listener, reader and stream has been released. */
    async outcome(): Promise<AttemptOutcome> {
      await new Promise(setImmediate);
      const [only] = outcomes;
      if (only === undefined) throw new Error('no outcome yet');
      expect(seen.openReaders).toBe(0);
      expect(listenersOf(caller.signal)).toBe(0);
      expect(statusLimits.size).toBe(0);
      return only;
    },
  };
}

function listenersOf(signal: AbortSignal): number {
  return getEventListeners(signal, 'abort').length;
}

const WITH_STATUS: StreamEnd = {
  code: GRPC_STATUS.OK,
  details: '',
  mayHaveArrived: true,
  startAckMode: 'none',
  lost: undefined,
};
const LOST: Partial<StreamEnd> = { code: GRPC_STATUS.UNAVAILABLE, details: 'stream reset', lost: 'allDataRead' };
const STARTED: RunnerMessage = { kind: 'started' };
const HEAD: RunnerMessage = { kind: 'resultStart', status: 200, headers: [] };
const BYTES: RunnerMessage = { kind: 'data', data: Buffer.from('half'), eof: false };
const report = (parts: Partial<CallReport> = {}): RunnerMessage => ({
  kind: 'finished',
  report: { ...NOTHING_REPORTED, ...parts },
});
const DONE = report({ success: true });
const BUSY = report({ errorCode: 503, errorText: 'Timed out - server too busy' });
const PULLING = report({ errorCode: 503, errorText: 'it is being pulled', retryAfterSeconds: 7 });
const CRASH = report({ errorCode: 502, errorText: 'function failed', errorUser: true });

const FINISHED = { kind: 'finished' };
const COME_BACK = { kind: 'failed', blame: 'balancer', error: { message: 'it is being pulled', retryAfterSeconds: 7 } };
const REFUSED_BUSY = { kind: 'refused', reason: 'busy' };
const UNREACHABLE = { kind: 'refused', reason: 'unreachable' };
const RUNNER_FAILED = { kind: 'failed', blame: 'runner' };

const phases: Readonly<Record<string, RunnerMessage[]>> = {
  offered: [],
  started: [STARTED],
  relaying: [HEAD, BYTES],
  ending: [HEAD, BYTES, DONE],
};

describe('P1, P2, P3: the outcome of the call', () => {
  it.each`
    phase         | event                                | messages                       | end                                        | outcome
    ${'offered'}  | ${'finished'}                        | ${[DONE]}                      | ${{}}                                      | ${FINISHED}
    ${'relaying'} | ${'finished'}                        | ${[DONE]}                      | ${{}}                                      | ${FINISHED}
    ${'ending'}   | ${'status OK'}                       | ${[]}                          | ${{}}                                      | ${FINISHED}
    ${'ending'}   | ${'another status'}                  | ${[]}                          | ${{ code: 13 }}                            | ${RUNNER_FAILED}
    ${'ending'}   | ${'another message'}                 | ${[BYTES]}                     | ${undefined}                               | ${RUNNER_FAILED}
    ${'offered'}  | ${'busy'}                            | ${[BUSY]}                      | ${undefined}                               | ${REFUSED_BUSY}
    ${'started'}  | ${'busy'}                            | ${[BUSY]}                      | ${undefined}                               | ${REFUSED_BUSY}
    ${'relaying'} | ${'busy'}                            | ${[BUSY]}                      | ${undefined}                               | ${{ kind: 'failed' }}
    ${'offered'}  | ${'the image is being pulled'}       | ${[PULLING]}                   | ${undefined}                               | ${COME_BACK}
    ${'offered'}  | ${'status 503'}                      | ${[]}                          | ${{ code: 503 }}                           | ${REFUSED_BUSY}
    ${'relaying'} | ${'status 503'}                      | ${[]}                          | ${{ code: 503 }}                           | ${RUNNER_FAILED}
    ${'offered'}  | ${'function failed'}                 | ${[CRASH]}                     | ${undefined}                               | ${{ kind: 'failed', blame: 'function' }}
    ${'relaying'} | ${'function failed'}                 | ${[CRASH]}                     | ${undefined}                               | ${{ kind: 'failed', blame: 'function' }}
    ${'offered'}  | ${'status OK without a word'}        | ${[]}                          | ${{}}                                      | ${RUNNER_FAILED}
    ${'relaying'} | ${'status OK without a word'}        | ${[]}                          | ${{}}                                      | ${RUNNER_FAILED}
    ${'offered'}  | ${'a stream that did not get there'} | ${[]}                          | ${{ ...LOST, mayHaveArrived: false }}      | ${UNREACHABLE}
    ${'relaying'} | ${'a stream that claims the same'}   | ${[]}                          | ${{ ...LOST, mayHaveArrived: false }}      | ${RUNNER_FAILED}
    ${'started'}  | ${'a stream that claims the same'}   | ${[]}                          | ${{ ...LOST, mayHaveArrived: false }}      | ${RUNNER_FAILED}
    ${'offered'}  | ${'a status of the runner'}          | ${[]}                          | ${{ code: 14, startAckMode: 'confirmed' }} | ${RUNNER_FAILED}
    ${'offered'}  | ${'too large for the runner'}        | ${[]}                          | ${{ code: 8 }}                             | ${{ kind: 'failed', blame: 'caller' }}
    ${'offered'}  | ${'the deadline'}                    | ${[]}                          | ${{ code: 4 }}                             | ${{ kind: 'failed', blame: 'balancer' }}
    ${'offered'}  | ${'a message that we do not know'}   | ${[{ kind: 'unknown' }, DONE]} | ${{}}                                      | ${FINISHED}
  `('$event while $phase', async ({ phase, messages, end, outcome }) => {
    const { say, end: over, outcome: came } = offer();
    say(...(phases[phase] ?? []), ...messages);
    if (end) over(end);
    expect(await came()).toMatchObject(outcome);
  });

  it('messages after the outcome change nothing', async () => {
    const offered = offer();
    offered.say(CRASH);
    const first = await offered.outcome();
    offered.say(HEAD, BYTES, DONE);
    offered.end(LOST);
    offered.caller.abort();
    expect(await offered.outcome()).toBe(first);
    expect(offered.seen).toMatchObject({ status: 0, text: '' });
  });
});

function endWell({ say, end }: ReturnType<typeof offer>): void {
  say(DONE);
  end();
}

describe('P4: the way out', () => {
  it.each`
    how                             | leave                                                                      | stream
    ${'the runner sent its report'} | ${(o: ReturnType<typeof offer>) => o.say(CRASH)}                           | ${'released'}
    ${'the call succeeded'}         | ${(o: ReturnType<typeof offer>) => endWell(o)}                             | ${'released'}
    ${'the caller left'}            | ${(o: ReturnType<typeof offer>) => o.caller.abort(new CancelledError())}   | ${'cancelled'}
    ${'the body was unreadable'}    | ${(o: ReturnType<typeof offer>) => o.upload(new FnError('requestTooBig'))} | ${'cancelled'}
    ${'the stream was lost'}        | ${(o: ReturnType<typeof offer>) => o.end(LOST)}                            | ${'cancelled'}
  `('$how: the stream is $stream, reader and listener are released', async ({ leave, stream }) => {
    const offered = offer();
    leave(offered);
    await offered.outcome();
    expect(offered.stream.ended).toBe(stream);
  });

  it('a runner that reports success and then does not end the stream violates the protocol', async () => {
    const offered = offer();
    offered.say(HEAD, DONE);
    await offered.clock.advance(5000);
    expect(await offered.outcome()).toMatchObject({
      ...RUNNER_FAILED,
      error: { message: 'Purerunner missing EOF response' },
    });
    expect(offered.stream.ended).toBe('released');
  });

  it('a caller who left before gets no engagement at all', async () => {
    const caller = new AbortController();
    caller.abort(new FnError('reservationExpired'));
    const engage = jest.fn();
    const outcome = await offerCall({} as OutboundCall, { address: 'r1', engage }, caller.signal);
    expect(outcome).toMatchObject({ kind: 'failed', blame: 'balancer', error: { code: 'reservationExpired' } });
    expect(engage).not.toHaveBeenCalled();
  });

  it.each([
    ['leaves', new CancelledError(), 'caller'],
    ['is out of time', new FnError('reservationExpired'), 'balancer'],
  ])('a caller who %s gets that reason, and the runner is not to blame', async (_, reason, blame) => {
    const offered = offer();
    offered.caller.abort(reason);
    expect(await offered.outcome()).toMatchObject({ kind: 'failed', blame, error: reason });
  });
});

describe('P5: back-pressure', () => {
  it('a slow caller pauses the stream until it can take more', () => {
    const { say, stream, seen } = offer({}, { write: () => false });
    say(HEAD, BYTES);
    expect(stream.paused).toBe(true);
    (seen.drain as () => void)();
    expect(stream.paused).toBe(false);
  });

  it('the status does not wait for a slow caller, who may take longer than the limit for the runner', () => {
    const { say, stream } = offer({}, { write: () => false });
    say(HEAD, BYTES, DONE);
    expect(stream.paused).toBe(false);
  });

  it('an empty frame does not wait', () => {
    const { say, stream } = offer({}, { write: () => false });
    say(HEAD, { kind: 'data', data: Buffer.alloc(0), eof: false });
    expect(stream.paused).toBe(false);
  });

  it('a slow runner pauses the body until the stream accepts more', () => {
    const { stream, upload, writable } = offer();
    stream.full = true;
    upload({ data: Buffer.from('a'), last: false }, { data: Buffer.from('b'), last: true });
    expect(stream.sent.map(({ kind }) => kind)).toEqual(['try', 'data']);
    stream.full = false;
    writable();
    expect(stream.sent.map(({ kind }) => kind)).toEqual(['try', 'data', 'data']);
    expect(stream.halfClosed).toBe(true);
  });
});

describe('P6: a stream lost without a report', () => {
  const again = { mayRunAgain: true };
  const noReplay = { replayable: false };

  it.each<[StartAckMode, StreamEnd['lost'], string, object, object]>([
    ['confirmed', 'allDataRead', 'offered', {}, UNREACHABLE],
    ['confirmed', 'unsure', 'offered', {}, UNREACHABLE],
    ['announced', 'allDataRead', 'offered', {}, UNREACHABLE],
    ['announced', 'unsure', 'offered', {}, RUNNER_FAILED],
    ['none', 'allDataRead', 'offered', {}, RUNNER_FAILED],
    ['none', 'unsure', 'offered', {}, RUNNER_FAILED],
    ['confirmed', 'allDataRead', 'started', {}, RUNNER_FAILED],
    ['announced', 'allDataRead', 'started', {}, RUNNER_FAILED],
    ['confirmed', 'allDataRead', 'relaying', {}, RUNNER_FAILED],
    ['none', 'allDataRead', 'offered', again, { kind: 'refused', reason: 'lost' }],
    ['confirmed', 'unsure', 'started', again, { kind: 'refused', reason: 'lost' }],
    ['confirmed', 'unsure', 'offered', again, UNREACHABLE],
    ['confirmed', 'allDataRead', 'relaying', again, RUNNER_FAILED],
    ['none', 'allDataRead', 'offered', { ...again, body: noReplay }, RUNNER_FAILED],
    ['confirmed', 'allDataRead', 'started', { ...again, body: noReplay }, RUNNER_FAILED],
    ['confirmed', 'allDataRead', 'offered', { body: noReplay }, UNREACHABLE],
  ])('mode %s, %s, while %s, %j', async (startAckMode, lost, phase, overrides, expected) => {
    const body = { open: () => NO_BODY, commit: () => undefined, replayable: true };
    const given = overrides as Partial<OutboundCall>;
    const offered = offer({ ...given, ...(given.body && { body: { ...body, replayable: given.body.replayable } }) });
    offered.say(...(phases[phase] ?? []));
    offered.end({ ...LOST, startAckMode, lost });
    expect(await offered.outcome()).toMatchObject(expected);
    const isRerun = (expected as { reason?: string }).reason === 'lost';
    expect(offered.seen.reruns).toBe(isRerun ? 1 : 0);
  });
});

describe('P7: the body is kept', () => {
  it.each`
    what                               | mayRunAgain | messages           | committed
    ${'until `started`'}               | ${false}    | ${[STARTED]}       | ${1}
    ${'longer, if it may run again'}   | ${true}     | ${[STARTED]}       | ${0}
    ${'until the answer'}              | ${true}     | ${[STARTED, HEAD]} | ${1}
    ${'until the answer of a Go peer'} | ${false}    | ${[HEAD]}          | ${1}
    ${'while it is refused'}           | ${false}    | ${[BUSY]}          | ${0}
  `('$what', ({ mayRunAgain, messages, committed }) => {
    const { say, seen } = offer({ mayRunAgain });
    say(...messages);
    expect(seen.committed).toBe(committed);
  });

  it('`started` counts once', () => {
    const { say, seen } = offer();
    say(STARTED, STARTED);
    expect(seen.starts).toBe(1);
  });
});

describe('P8: reports of a runner are validated', () => {
  it.each([1, 99, 200, 302, 399, 600, 1000, -1, 2 ** 31 - 1, Number.NaN])(
    "an error code that is no HTTP error status (%s) becomes 500, with the runner's text",
    async (errorCode) => {
      const offered = offer();
      offered.say(report({ errorCode, errorText: 'words' }));
      const outcome = await offered.outcome();
      expect(outcome).toMatchObject(RUNNER_FAILED);
      expect(describeError(outcome.kind === 'failed' && outcome.error)).toMatchObject({
        status: 500,
        message: 'words',
      });
    },
  );

  it.each([1, 100, 101, 199, 600, 1000, -200, 0.5])(
    'an answer with status %s is invalid: 502, and nothing of it reaches the caller',
    async (status) => {
      const offered = offer();
      offered.say({ kind: 'resultStart', status, headers: [] }, BYTES, DONE);
      expect(await offered.outcome()).toMatchObject({ ...RUNNER_FAILED, error: { status: 502 } });
      expect(offered.seen).toMatchObject({ status: 0, text: '' });
      expect(offered.stream.ended).toBe('cancelled');
    },
  );

  it.each([200, 204, 404, 599])('an answer may have status %s', async (status) => {
    const offered = offer();
    offered.say({ kind: 'resultStart', status, headers: [] }, BYTES, DONE);
    offered.end();
    expect(await offered.outcome()).toMatchObject(FINISHED);
    expect(offered.seen).toMatchObject({ status, text: 'half' });
  });

  it.each([0, Number.NaN])('an answer without a status (%s) is a 200', (status) => {
    const { say, seen } = offer();
    say({ kind: 'resultStart', status, headers: [] });
    expect(seen.status).toBe(200);
  });

  it('a text of four megabytes is cut', async () => {
    const offered = offer();
    offered.say(report({ errorCode: 500, errorText: 'x'.repeat(MAX_MESSAGE_BYTES) }));
    const outcome = await offered.outcome();
    expect(outcome.kind === 'failed' && outcome.error.message.length).toBe(8192);
  });

  it.each`
    what                            | thrown                                    | blame
    ${'a head that cannot be sent'} | ${new FnError('functionInvalidResponse')} | ${'function'}
    ${'a fault of the writer'}      | ${new TypeError('undefined')}             | ${'balancer'}
  `('$what fails this attempt, and the runner is not to blame', async ({ thrown, blame }) => {
    const writeHead = () => {
      throw thrown;
    };
    const offered = offer({}, { writeHead });
    offered.say(HEAD, BYTES, DONE);
    expect(await offered.outcome()).toMatchObject({ kind: 'failed', blame, error: thrown });
    expect(offered.seen.text).toBe('');
  });
});

it('the detail of an error for operators is passed on, with a limit', async () => {
  const crash = { errorCode: 502, errorText: 'function failed', errorUser: true };
  const [told, long] = [offer(), offer()];
  told.say(report({ ...crash, errorDetail: 'exit code 9' }));
  long.say(report({ ...crash, errorDetail: 'x'.repeat(100_000) }));
  expect(await told.outcome()).toMatchObject({ error: { message: 'function failed', detail: 'exit code 9' } });
  const outcome = await long.outcome();
  expect(outcome.kind === 'failed' && (outcome.error as PeerError).detail.length).toBeLessThan(10_000);
});

describe('P8: who is to blame according to a report', () => {
  it.each`
    code   | text                                                                          | errorUser | blame
    ${502} | ${'function failed'}                                                          | ${true}   | ${'function'}
    ${504} | ${'Timed out'}                                                                | ${true}   | ${'function'}
    ${500} | ${'Syslog Unavailable'}                                                       | ${true}   | ${'function'}
    ${0}   | ${'call: memory: expected a whole number'}                                    | ${true}   | ${'function'}
    ${501} | ${'Detach call functions are not supported on this server'}                   | ${false}  | ${'caller'}
    ${501} | ${'Detach call functions are not supported on this server'}                   | ${true}   | ${'caller'}
    ${400} | ${'Requested CPU/Memory cannot be allocated'}                                 | ${false}  | ${'caller'}
    ${404} | ${"Failed to pull image 'x': not found"}                                      | ${true}   | ${'caller'}
    ${429} | ${'Request capacity for user exceeded'}                                       | ${false}  | ${'caller'}
    ${502} | ${"Failed to pull image 'x': no basic auth"}                                  | ${false}  | ${'function'}
    ${0}   | ${'API error (400): {"message":"Minimum memory limit allowed is 6MB"}'}       | ${false}  | ${'function'}
    ${0}   | ${'invalid reference format'}                                                 | ${false}  | ${'function'}
    ${0}   | ${'API error (400): No command specified'}                                    | ${false}  | ${'function'}
    ${0}   | ${'OCI runtime create failed: exec: "x": executable file not found in $PATH'} | ${false}  | ${'function'}
    ${0}   | ${'context canceled'}                                                         | ${false}  | ${'balancer'}
    ${0}   | ${'encoding/hex: odd length hex string'}                                      | ${false}  | ${'balancer'}
    ${500} | ${'Unable to service the request for the reservation period'}                 | ${false}  | ${'balancer'}
    ${500} | ${'internal server error'}                                                    | ${false}  | ${'runner'}
    ${0}   | ${'Cannot connect to the Docker daemon'}                                      | ${false}  | ${'runner'}
    ${0}   | ${'write /var/lib/docker: no space left on device'}                           | ${false}  | ${'runner'}
    ${502} | ${''}                                                                         | ${false}  | ${'runner'}
  `('$code "$text", errorUser $errorUser: $blame', async ({ code, text, errorUser, blame }) => {
    const offered = offer();
    offered.say(report({ errorCode: code, errorText: text, errorUser }));
    expect(await offered.outcome()).toMatchObject({ kind: 'failed', blame });
  });
});

describe('what is passed on besides the answer', () => {
  it.each`
    what                                 | message                                        | blame
    ${'a report that blames both'}       | ${report({ errorCode: 502, errorUser: true })} | ${'function'}
    ${'a runner that failed'}            | ${report({ errorCode: 500 })}                  | ${'platform'}
    ${'a balancer that ran out of time'} | ${report({ errorText: 'context canceled' })}   | ${'platform'}
    ${'a caller that requests too much'} | ${report({ errorCode: 429 })}                  | ${'caller'}
  `('metrics and logs have who is to blame: $what, $blame', async ({ message, blame }) => {
    const offered = offer();
    offered.say(message);
    expect(await offered.outcome()).toMatchObject({ kind: 'failed', error: { blame } });
  });

  it('a failure without a text gets one', async () => {
    const offered = offer();
    offered.say(report({ errorCode: 500 }));
    const outcome = await offered.outcome();
    expect(describeError(outcome.kind === 'failed' && outcome.error)).toMatchObject({
      message: 'Unknown Error From Pure Runner',
    });
  });

  it('the report goes to the owner of the call, with the outcome, and into the metrics', async () => {
    const metrics = RecordedMetrics.install();
    const reported: unknown[] = [];
    const executed: number[] = [];
    const addExecution = (ns: number) => void executed.push(ns);
    const offered = offer({ reported: (one) => void reported.push(one), addExecution });
    offered.say(report({ success: true, schedulerNs: 2e6, executionNs: 5e6 }));
    offered.end();
    const outcome = await offered.outcome();
    expect(outcome).toMatchObject({ kind: 'finished', report: { executionNs: 5e6 } });
    expect([reported, executed]).toEqual([[outcome.kind === 'finished' && outcome.report], [5e6]]);
    expect(metrics.values('lb_runner_sched_latency')).toEqual([2]);
    expect(metrics.values('lb_runner_exec_latency')).toEqual([5]);
    const refused = offer({ addExecution });
    refused.say(BUSY);
    await refused.outcome();
    expect([executed, metrics.values('lb_runner_sched_latency').length]).toEqual([[5e6], 1]);
  });

  it.each`
    what                      | parts                                                  | logged
    ${'a success'}            | ${{ success: true, log: 'meow\n' }}                    | ${['meow\n']}
    ${'a failure'}            | ${{ errorCode: 502, errorUser: true, log: 'oh no\n' }} | ${['oh no\n']}
    ${'nothing'}              | ${{ success: true }}                                   | ${[]}
    ${'a million characters'} | ${{ success: true, log: 'x'.repeat(1e6) }}             | ${['x'.repeat(65_536)]}
  `('the log in the report of $what goes to the owner of the call', async ({ parts, logged }) => {
    const seen: string[] = [];
    const offered = offer({ logged: (text) => void seen.push(text) });
    offered.say(report(parts));
    offered.end();
    await offered.outcome();
    expect(seen).toEqual(logged);
  });

  it('a failed attempt keeps the report of its runner', async () => {
    const offered = offer();
    offered.say(HEAD, CRASH);
    expect(await offered.outcome()).toMatchObject({ kind: 'failed', report: { errorCode: 502 } });
  });

  it('the stream is opened with the metadata of the call', () => {
    const { seen } = offer({ requestId: 'r1', deadlineAt: 5000 as MonoMs });
    expect(seen.options).toEqual({ requestId: 'r1', deadlineAt: 5000, trace: undefined });
  });

  it('the load that arrives with the end is passed on, with the call, even after the outcome', async () => {
    const { say, load, outcome, seen } = offer();
    say(CRASH);
    await outcome();
    const told = { instanceId: 'a' } as LoadReport;
    load(told);
    expect(seen.loads).toMatchObject([[told, { model: { id: 'call1' } }]]);
  });

  it('data without a head belongs to a 200', async () => {
    const offered = offer();
    offered.say(BYTES, BYTES, DONE);
    offered.end();
    expect(await offered.outcome()).toMatchObject(FINISHED);
    expect(offered.seen).toMatchObject({ status: 200, headers: [], text: 'halfhalf', committed: 1 });
  });

  it('a successful call without head and data is an empty 200', async () => {
    const offered = offer();
    offered.say(DONE);
    offered.end();
    expect(await offered.outcome()).toMatchObject(FINISHED);
    expect(offered.seen).toMatchObject({ status: 200, headers: [], text: '', committed: 1 });
  });

  it('a second head changes nothing', () => {
    const { say, seen } = offer();
    say(HEAD, { kind: 'resultStart', status: 500, headers: [] }, BYTES);
    expect(seen).toMatchObject({ status: 200, text: 'half' });
  });

  it('the attempt is a span in the trace of its call, and the parent of what the runner does', async () => {
    const recorded = RecordedSpans.install();
    const { context: trace } = openSpan('call', NO_TRACE, SpanKind.SERVER) ?? {};
    const offered = offer({ trace });
    offered.say(BUSY);
    await offered.outcome();
    recorded.uninstall();
    const [span] = recorded.named('send_to_runner');
    expect(span).toMatchObject({ attributes: { 'fn.runner': 'r1:9190', 'fn.outcome': 'refused: busy' }, ended: true });
    const told = Buffer.from(encodeBinaryTrace(offered.seen.options?.trace ?? NO_TRACE) ?? '', 'base64');
    expect(told.toString('hex', 19, 27)).toBe(span?.spanId);
  });

  it('an unknown message is not a start acknowledgement', async () => {
    const offered = offer();
    offered.say({ kind: 'unknown' });
    offered.end({ ...LOST, startAckMode: 'confirmed' });
    expect(await offered.outcome()).toMatchObject(UNREACHABLE);
    expect(offered.seen.starts).toBe(0);
  });

  it('the debug log has each attempt, with its call', async () => {
    const said: unknown[] = [];
    const debug = (...line: unknown[]) => void said.push(line);
    const offered = offer({}, {}, { ...silentLogger, debugEnabled: true, debug });
    offered.say(HEAD, CRASH);
    await offered.outcome();
    expect(said).toEqual([['engagement closed', { callId: 'call1', state: 'relaying', outcome: 'failed' }]]);
  });

  it('only an offer that may run again reports a rerun', async () => {
    const offered = offer({ mayRunAgain: true });
    offered.end({ ...LOST, mayHaveArrived: false });
    expect(await offered.outcome()).toMatchObject(UNREACHABLE);
    expect(offered.seen.reruns).toBe(0);
  });
});

describe('a call that is too large for a message', () => {
  const model = (config: Record<string, string>) => ({ model: { id: 'call1', config } as unknown as Call });

  it.each`
    what                                | overrides
    ${'5 MiB of configuration'}         | ${model({ A: 'x'.repeat(5 * 1024 * 1024) })}
    ${'2 MiB of multi-byte characters'} | ${model({ A: '漢'.repeat(2 * 1024 * 1024) })}
    ${'5 MiB of extensions'}            | ${{ extensions: { A: 'x'.repeat(5 * 1024 * 1024) } }}
  `('$what is refused here, and its function is to blame', async ({ overrides }) => {
    const offered = offer(overrides);
    expect(await offered.outcome()).toMatchObject({ kind: 'failed', blame: 'function', error: { status: 400 } });
    expect(offered.engagements).toBe(0);
  });

  it('one of exactly 4 MiB is sent', () => {
    const envelope = encodeCall(model({ A: '' }).model).length;
    // Around the JSON there are two four-byte lengths, each with a tag.
    const text = 'x'.repeat(MAX_MESSAGE_BYTES - envelope - 2 * 5);
    expect(offer(model({ A: text })).engagements).toBe(1);
    expect(offer(model({ A: `${text}x` })).engagements).toBe(0);
  });

  it('a model that cannot be encoded fails only the call', async () => {
    const annotations: Record<string, unknown> = {};
    annotations.self = annotations;
    const offered = offer({ model: { id: 'call1', annotations } as unknown as Call });
    expect(await offered.outcome()).toMatchObject({ kind: 'failed', blame: 'balancer' });
    expect(offered.engagements).toBe(0);
  });
});

const NO_BODY: BodyReader = { read: () => undefined, close: () => undefined, onReadable: undefined };
