import {
  type Blame,
  CancelledError,
  type Clock,
  DelayLine,
  encodeCall,
  FnError,
  type Logger,
  type MonoMs,
  type OpenSpan,
  observe,
  PeerError,
  silentLogger,
  systemClock,
  type Timer,
  type TraceContext,
} from '@fnfleet/core';
import { oversize } from '../wire/codec.js';
import type { LoadReport } from '../wire/load-report.js';
import { type AttemptBlame, blameOfEnd, blameOfOwn, blameOfReport } from './blame.js';
import { BodyPump } from './body-pump.js';
import {
  type CallReport,
  type DataMessage,
  type FinishedMessage,
  MAX_CALL_LOG_BYTES,
  MAX_ERROR_TEXT,
  MAX_MESSAGE_BYTES,
  type ResultStartMessage,
  type RunnerMessage,
  type TryMessage,
} from './messages.js';
import { type AttemptOutcome, closeOffer, type OutboundCall, openOffer } from './outbound-call.js';
import { type ClientStream, type ClientStreamHandler, GRPC_STATUS, type StreamEnd, StreamError } from './stream.js';

/**
 * One call offered to one runner: the balancer's side of an engagement.
 *
 *   offered ──resultStart, data──▶ relaying ──finished(ok)──▶ ending ──status OK──▶ closed
 *      │                              │                          │
 *      ├──finished(ok)────────────────┼──────────▶ ending        │
 *      └──finished(error), stream lost, caller gone, writer failed──────────────▶ closed
 *   ending ──another message, no status in time──▶ closed
 *
 * P1  Only this class decides whether the call ran.
 * P2  Once `try` may have arrived the call counts as run, unless the runner refuses it (503) or P6 applies.
 * P3  A refusal after bytes of an answer is a failure, because the caller may already have them.
 * P4  settle() is the only way out; it resolves once and releases everything that the state owns.
 * P5  A slow caller pauses the stream and a slow runner pauses the body; neither is buffered for.
 * P6  A stream that is lost before `started`, from a runner that announced it, is a refusal: nothing ran. If the runner announced
 *     only to send it, all data that it sent must have been read; otherwise it is unknown. A call that may have started is offered
 *     again only if its owner allows it and nothing of its answer has been seen.
 * P7  The body is kept while another attempt may follow: until `started`, or, if the call may run again, until the answer.
 * P8  Each failure names who is to blame, and reports of a runner are validated here before anybody acts on them: faults of the
 *     caller or the function never count against the runner.
 * P9  A refusal with a retry time is final: the runner has started what the call lacks, such as the pull of its image, and every
 *     other runner would start the same. It does not count against the runner.
 *
 * The runner's side is `RunnerSession`.
 */
type State = 'offered' | 'relaying' | 'ending' | 'closed';

export interface EngageOptions {
  readonly requestId?: string | undefined;
  readonly deadlineAt?: MonoMs | undefined;
  /** The parent of what the runner does. */
  readonly trace?: TraceContext | undefined;
}

export interface Engaging {
  /** `host:port`. */
  readonly address: string;
  /** Opens a stream; messages may arrive from then on. */
  engage(options: EngageOptions, handler: ClientStreamHandler): ClientStream;
}

/** The status follows the report at once. A runner that takes longer violates the protocol. */
const STATUS_LIMIT_MS = 5_000;
/** The limits for the statuses of calls, which end within the turn in which they begin. */
export function newStatusLimits(clock: Pick<Clock, 'now' | 'after'>): DelayLine {
  return new DelayLine(clock, STATUS_LIMIT_MS);
}

const defaultLimits = newStatusLimits(systemClock);

/** Limit for the retry time that a runner may report, seconds. */
const RETRY_MOST_S = 3_600;

/**
 * Offers the call and resolves with the outcome. Never rejects. The signal belongs to the call.
 * @param onLoad receives the load of the runner, if it reports one; possibly after the outcome. Must not throw.
 * @param statusLimits made by `newStatusLimits`; calls share it
 */
export function offerCall(
  call: OutboundCall,
  channel: Engaging,
  signal: AbortSignal,
  logger: Logger = silentLogger,
  onLoad?: (load: LoadReport, call: OutboundCall) => void,
  statusLimits: DelayLine = defaultLimits,
): Promise<AttemptOutcome> {
  if (signal.aborted) return Promise.resolve(failed(cancellation(signal)));
  let offer: TryMessage;
  try {
    // Encoded again for each attempt: listeners and overriders may have changed the model in between.
    offer = { kind: 'try', callJson: encodeCall(call.model), slotHash: call.slotHash, extensions: call.extensions };
  } catch (error) {
    return Promise.resolve(failed(asError(error)));
  }
  // A runner would end the stream, and every other runner as well.
  const bytes = oversize(offer, MAX_MESSAGE_BYTES);
  if (bytes !== undefined) {
    return Promise.resolve(failed(new FnError('callTooLarge', { params: { bytes, max: MAX_MESSAGE_BYTES } })));
  }
  return new Promise(
    (resolve) => void new BalancerSession(call, offer, channel, { signal, logger, resolve, onLoad, statusLimits }),
  );
}

interface SessionParts {
  readonly signal: AbortSignal;
  readonly logger: Logger;
  readonly resolve: (outcome: AttemptOutcome) => void;
  readonly onLoad: ((load: LoadReport, call: OutboundCall) => void) | undefined;
  readonly statusLimits: DelayLine;
}

class BalancerSession implements ClientStreamHandler {
  private state: State = 'offered';
  private readonly stream: ClientStream;
  private readonly pump: BodyPump;
  private report: CallReport | undefined;
  private started = false;
  private statusTimer: Timer | undefined;
  private readonly span: OpenSpan | undefined;

  constructor(
    private readonly call: OutboundCall,
    offer: TryMessage,
    channel: Engaging,
    private readonly parts: SessionParts,
  ) {
    const { signal } = parts;
    const { requestId, deadlineAt } = call;
    this.span = openOffer(call, channel.address);
    const trace = this.span?.context ?? call.trace;
    this.stream = channel.engage({ requestId, deadlineAt, trace }, this);
    this.pump = new BodyPump(call.body.open(), this.stream, (error) => this.failHere(error));
    signal.addEventListener('abort', this.onAbort);
    this.stream.send(offer);
    this.pump.run();
  }

  onWritable(): void {
    this.pump.run();
  }

  onLoad(load: LoadReport): void {
    this.parts.onLoad?.(load, this.call);
  }

  onMessage(message: RunnerMessage): void {
    switch (this.state) {
      case 'offered':
      case 'relaying':
        if (message.kind === 'resultStart') return this.startAnswer(message);
        if (message.kind === 'data') return this.relay(message);
        if (message.kind === 'finished') return this.finish(message);
        if (message.kind === 'started') return this.noteStart();
        return; // a message of a newer peer
      case 'ending':
        return this.missingEnd();
    }
    // Closed: the message is late, and the outcome is already out.
  }

  onEnd(end: StreamEnd): void {
    const { state } = this;
    if (state === 'closed') return;
    if (end.code === GRPC_STATUS.OK) {
      if (state === 'ending' && this.report) return this.settle({ kind: 'finished', report: this.report });
      const details = 'the runner ended the stream without reporting the outcome';
      return this.fail(new StreamError(end.code, details), 'runner');
    }
    const error = new StreamError(end.code, end.details);
    // A runner that has answered or acknowledged the start cannot claim that the call never arrived.
    const silent = state === 'offered' && !this.started;
    if (!end.mayHaveArrived && silent) return this.settle({ kind: 'refused', reason: 'unreachable', error });
    // Fn can end a stream with this number, outside the range of gRPC, when it means "busy".
    if (end.code === 503 && state === 'offered') return this.refusedBusy();
    if (state === 'offered' && end.lost !== undefined) return this.lost(end, error);
    this.fail(error, blameOfEnd(end));
  }

  private noteStart(): void {
    if (this.started) return;
    this.started = true;
    if (!this.call.mayRunAgain) this.call.body.commit(); // P7
    this.call.started?.();
  }

  /** P6. There was no report, and nothing of an answer has been seen. */
  private lost(end: StreamEnd, error: StreamError): void {
    if (
      !this.started &&
      (end.startAckMode === 'confirmed' || (end.startAckMode === 'announced' && end.lost === 'allDataRead'))
    ) {
      return this.settle({ kind: 'refused', reason: 'unreachable', error });
    }
    if (!this.call.mayRunAgain || !this.call.body.replayable) return this.fail(error, 'runner');
    this.call.runsAgain?.();
    this.settle({ kind: 'refused', reason: 'lost', error });
  }

  /** Only the first answer counts; a runner has no reason to start twice. */
  private startAnswer(message: ResultStartMessage): void {
    if (this.state !== 'offered') return;
    const status = message.status || 200;
    if (!isAnswerStatus(status)) {
      const cause = new Error(`the runner announced an answer with status ${status}`);
      return this.fail(new FnError('runnerAnswerInvalid', { cause }), 'runner');
    }
    this.state = 'relaying';
    this.call.body.commit();
    this.writing(() => this.call.response.writeHead(status, message.headers));
  }

  private relay({ data }: DataMessage): void {
    if (this.state === 'offered') this.startAnswer({ kind: 'resultStart', status: 0, headers: [] });
    this.writing(() => {
      if (data.length === 0 || this.call.response.write(data)) return;
      this.stream.pause(); // P5
      this.call.response.onDrain(() => this.stream.resume());
    });
  }

  private finish({ report }: FinishedMessage): void {
    this.report = report;
    this.record(report);
    if (report.success) {
      // A runner of the reference release does not announce an empty answer.
      this.startAnswer({ kind: 'resultStart', status: 0, headers: [] });
      if (this.state !== 'relaying') return;
      this.state = 'ending';
      // A slow caller may have paused it; only the status is left, and it need not wait for the caller.
      this.stream.resume();
      this.statusTimer = this.parts.statusLimits.add(this.onNoStatus);
      return;
    }
    const { retryAfterSeconds } = report;
    const isRefused = report.errorCode === 503 && this.state === 'offered';
    if (isRefused && retryAfterSeconds <= 0) return this.refusedBusy();
    const text = report.errorText.slice(0, MAX_ERROR_TEXT) || 'Unknown Error From Pure Runner';
    const blame = isRefused ? 'balancer' : blameOfReport(report);
    const detail = report.errorDetail.slice(0, MAX_ERROR_TEXT);
    const whose = report.errorUser ? 'function' : tableBlame(blame);
    const retryAfter = isRefused ? Math.min(retryAfterSeconds, RETRY_MOST_S) : undefined;
    this.fail(new PeerError(report.errorCode, text, whose, detail, retryAfter), blame); // P3, P9
  }

  private readonly onNoStatus = () => this.missingEnd();

  private missingEnd(): void {
    this.fail(new Error('Purerunner missing EOF response'), 'runner');
  }

  private record(report: CallReport): void {
    this.call.reported?.(report);
    if (report.log !== '') this.call.logged?.(report.log.slice(0, MAX_CALL_LOG_BYTES));
    if (report.schedulerNs > 0) observe('lb_runner_sched_latency', report.schedulerNs / 1e6);
    if (report.executionNs === 0) return;
    observe('lb_runner_exec_latency', report.executionNs / 1e6);
    this.call.addExecution(report.executionNs);
  }

  private readonly onAbort = () => this.failHere(cancellation(this.parts.signal));

  /** The response writer is foreign code: if it throws, only this attempt fails. */
  private writing(write: () => void): void {
    try {
      write();
    } catch (error) {
      this.failHere(asError(error));
    }
  }

  private refusedBusy(): void {
    this.settle({ kind: 'refused', reason: 'busy', error: new FnError('serverBusy') });
  }

  private fail(error: Error, blame: AttemptBlame): void {
    this.settle({ kind: 'failed', blame, error, report: this.report });
  }

  /** A failure without the runner's part in it. */
  private failHere(error: Error): void {
    this.fail(error, blameOfOwn(error));
  }

  private settle(outcome: AttemptOutcome): void {
    const { state } = this;
    if (state === 'closed') return;
    this.state = 'closed';
    const { signal, logger, resolve } = this.parts;
    signal.removeEventListener('abort', this.onAbort);
    this.statusTimer?.cancel();
    this.pump.close();
    // A runner that has sent its report ends the stream itself; a reset would only count against the connection.
    if (this.report !== undefined) this.stream.release();
    else this.stream.cancel();
    if (logger.debugEnabled) {
      logger.debug('engagement closed', { callId: this.call.model.id, state, outcome: outcome.kind });
    }
    if (this.span) closeOffer(this.span, outcome);
    resolve(outcome);
  }
}

/** An attempt that never started. */
function failed(error: Error): AttemptOutcome {
  return { kind: 'failed', blame: blameOfOwn(error), error };
}

/** Statuses that an answer can start with; 100 to 199 are interim. */
function isAnswerStatus(status: number): boolean {
  return Number.isInteger(status) && status >= 200 && status <= 599;
}

/** Blame as in the table of errors, for metrics and logs. */
function tableBlame(blame: AttemptBlame): Blame {
  return blame === 'runner' || blame === 'balancer' ? 'platform' : blame;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function cancellation(signal: AbortSignal): Error {
  return signal.reason instanceof FnError ? signal.reason : new CancelledError();
}
