import type { Call, FnError, MonoMs, PeerError, ResponseWriter, TraceContext } from '@fnfleet/core';
import type { AttemptBlame } from './blame.js';
import type { CallReport } from './messages.js';

/** A call on its way to a runner, as the balancer holds it. It may be offered several times. */
export interface OutboundCall {
  readonly model: Call;
  /** Hex of the slot key when the balancer computes it; empty leaves it to the runner. */
  readonly slotHash: string;
  readonly extensions: Readonly<Record<string, string>>;
  /** Travels as `fn_request_id` when set. */
  readonly requestId?: string;
  /** Deadline of the stream (`grpc-timeout`); undefined: none. */
  readonly deadlineAt?: MonoMs;
  /** Each offer is a part of this trace. */
  readonly trace?: TraceContext;
  readonly body: ReplayableBody;
  readonly response: ResponseWriter;
  /** The call is about to be offered to the runner of this address. */
  offeredTo?(address: string): void;
  /** The runner it was offered to has accepted it and is about to hand it to a function. Only a runner of ours says so. */
  started?(): void;
  /** Its owner allows another run, and it has not had too many: asked when it is lost after it may have started. */
  readonly mayRunAgain?: boolean;
  /** It has been lost after it may have started, and may now run again. */
  runsAgain?(): void;
  /** What its runner says of where its time went; after each attempt that came to a report. */
  reported?(timings: ReportedTimings): void;
  /** Where whoever places it writes down what it does. */
  readonly events?: PlacementEventSink | undefined;
  /** Nanoseconds that the function ran, as its runner reports; called at most once an attempt. */
  addExecution(durationNs: number): void;
}

export type ReportedTimings = Pick<
  CallReport,
  'schedulerNs' | 'executionNs' | 'imagePullWaitNs' | 'containerPrepareNs' | 'containerCreateNs' | 'containerInitNs'
>;

/** What happens to one call until a runner has it, for people. Cheap enough for every call; texts must be short. */
export interface PlacementEventSink {
  /** Whether skipped runners are of interest. */
  readonly detailed: boolean;
  /** A runner that it is not offered to now. */
  skipped(address: string, why: string): void;
  offered(address: string): void;
  /** What came of an offer, or on the way to that. */
  said(address: string, what: string): void;
  queued(): void;
  woken(why: string): void;
}

/** A request body that can be sent again as long as nothing says that the call ran. */
export interface ReplayableBody {
  /** False once more bytes have passed than are kept: a refusal can then no longer be followed by another attempt. */
  readonly replayable: boolean;
  /** What it keeps in memory, bytes; unset: not worth counting. */
  readonly heldBytes?: number;
  /** Starts over from the first byte. The reader before is closed by this. */
  open(): BodyReader;
  /** No further attempt will come; what is kept may go. Idempotent. */
  commit(): void;
}

export interface BodyReader {
  /**
   * The next bytes, in pieces of any size, with `last` set on the final piece when the end is known by then.
   * Undefined: nothing is there yet, `onReadable` will be called. Throws what went wrong at the source.
   */
  read(): BodyPiece | undefined;
  /** Called whenever `read` may have something again. */
  onReadable: (() => void) | undefined;
  close(): void;
}

export interface BodyPiece {
  readonly data: Buffer;
  readonly last: boolean;
}

/** How one attempt ended. The kind says whether another runner may be tried. */
export type AttemptOutcome =
  /** Nothing ran, or it may run again: try the next. */
  | { readonly kind: 'refused'; readonly reason: RefusalReason; readonly error: Error }
  /** Ran to its end; the answer has been written to `response`. */
  | { readonly kind: 'finished'; readonly report: CallReport }
  /** Ran, or may have, or never can: tell the caller. */
  | {
      readonly kind: 'failed';
      readonly blame: AttemptBlame;
      readonly error: FnError | PeerError | Error;
      readonly report?: CallReport;
    };

/**
 * `busy`: the runner said so. `unreachable`: the call did not get there, or was lost before it started. `closed`: the runner
 * object is closed. `lost`: the call was lost after it may have started, but its owner allows it to run again.
 */
export type RefusalReason = 'busy' | 'unreachable' | 'closed' | 'lost';
