import {
  type Call,
  closeSpan,
  type FnError,
  type MonoMs,
  NO_TRACE,
  type OpenSpan,
  openChildSpan,
  type PeerError,
  type ResponseWriter,
  SpanKind,
  type TraceContext,
} from '@fnfleet/core';
import type { AttemptBlame } from './blame.js';
import type { CallReport } from './messages.js';

/** A call on its way to a runner, as the balancer holds it. It may be offered several times. */
export interface OutboundCall {
  readonly model: Call;
  /** Hex of the slot key if the balancer computes it; empty leaves it to the runner. */
  readonly slotHash: string;
  readonly extensions: Readonly<Record<string, string>>;
  /** Sent as `fn_request_id` if set. */
  readonly requestId?: string;
  /** Deadline of the stream (`grpc-timeout`); undefined: none. */
  readonly deadlineAt?: MonoMs;
  /** Longest time to look for a runner, milliseconds, if it is less than that of the balancer. */
  readonly placementLimitMs?: number | undefined;
  /** Each attempt is a child of this trace. */
  readonly trace?: TraceContext;
  readonly body: ReplayableBody;
  readonly response: ResponseWriter;
  /** The call is about to be offered to the runner at this address. */
  offeredTo?(address: string): void;
  /** The runner is about to hand the call to a function. Only our runners report this. */
  started?(): void;
  /** Whether its owner allows another run and its limit is not reached; read if it is lost after it may have started. */
  readonly mayRunAgain?: boolean;
  /** It was lost after it may have started, and may now run again. */
  runsAgain?(): void;
  /** Receives the timings of the runner, after each attempt with a report. */
  reported?(timings: ReportedTimings): void;
  /** What the function has printed in an attempt, up to `MAX_CALL_LOG_BYTES`. Only of asynchronous calls. */
  logged?(text: string): void;
  /** Where the placement records what it does. */
  readonly events?: PlacementEventSink | undefined;
  /** Adds the execution time reported by the runner, nanoseconds; called at most once per attempt. */
  addExecution(durationNs: number): void;
}

export type ReportedTimings = Pick<
  CallReport,
  'schedulerNs' | 'executionNs' | 'imagePullWaitNs' | 'containerPrepareNs' | 'containerCreateNs' | 'containerInitNs'
>;

/** Records the placement of one call, human-readable. Must be cheap enough for every call; texts must be short. */
export interface PlacementEventSink {
  /** Whether to record skipped runners. */
  readonly detailed: boolean;
  /** The runner was not eligible. */
  skipped(address: string, why: string): void;
  offered(address: string): void;
  /** The outcome of an attempt, or a step on the way to it. */
  said(address: string, what: string): void;
  queued(): void;
  woken(why: string): void;
}

/** A request body that can be sent again as long as the call may not have run. */
export interface ReplayableBody {
  /** False once more bytes have passed than are kept: no attempt can follow a refusal then. */
  readonly replayable: boolean;
  /** Bytes that it keeps in memory; unset if not worth counting. */
  readonly heldBytes?: number;
  /** Starts over from the first byte, and closes the previous reader. */
  open(): BodyReader;
  /** No further attempt will come; kept bytes may be released. Idempotent. */
  commit(): void;
}

export interface BodyReader {
  /**
   * The next bytes, in pieces of any size, with `last` set on the final piece if the end is known by then.
   * Undefined: nothing is available yet, and `onReadable` will be called. Throws the error of the source.
   */
  read(): BodyPiece | undefined;
  /** Called whenever `read` may return something again. */
  onReadable: (() => void) | undefined;
  close(): void;
}

export interface BodyPiece {
  readonly data: Buffer;
  readonly last: boolean;
}

/** How one attempt ended. The kind tells whether another runner may be tried. */
export type AttemptOutcome =
  /** Nothing ran, or it may run again: try the next. */
  | { readonly kind: 'refused'; readonly reason: RefusalReason; readonly error: Error }
  /** Ran to its end; the answer has been written to `response`. */
  | { readonly kind: 'finished'; readonly report: CallReport }
  /** Ran, may have run, or can never run: report it to the caller. */
  | {
      readonly kind: 'failed';
      readonly blame: AttemptBlame;
      readonly error: FnError | PeerError | Error;
      readonly report?: CallReport;
    };

/**
 * `busy`: the runner said so. `unreachable`: the call did not arrive, or was lost before it started. `closed`: the runner object
 * is closed. `lost`: the call was lost after it may have started, but its owner allows it to run again.
 */
export type RefusalReason = 'busy' | 'unreachable' | 'closed' | 'lost';

/** The span name of Fn's balancers for an attempt. */
const ATTEMPT_SPAN = 'send_to_runner';

/** Starts the span of an attempt in the trace of its call. Undefined if the trace is not recorded. */
export function openOffer({ trace }: OutboundCall, runner: string): OpenSpan | undefined {
  return openChildSpan(ATTEMPT_SPAN, trace ?? NO_TRACE, { kind: SpanKind.CLIENT, attributes: { 'fn.runner': runner } });
}

/** A refusal because the runner is full is not an error. */
export function closeOffer(opened: OpenSpan, outcome: AttemptOutcome): void {
  opened.span.setAttribute('fn.outcome', outcome.kind === 'refused' ? `refused: ${outcome.reason}` : outcome.kind);
  const refusedBusy = outcome.kind === 'refused' && outcome.reason === 'busy';
  closeSpan(opened, outcome.kind === 'finished' || refusedBusy ? undefined : outcome.error);
}
