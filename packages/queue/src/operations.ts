import type { ErrorCode } from '@fnfleet/core';
import type { DatabaseProblem } from '@fnfleet/sqlite';
import type {
  CallPage,
  CallRecord,
  CallResult,
  CallState,
  CancelAnswer,
  DeadSelection,
  Delivery,
  FunctionLimits,
  KeptResult,
  Lease,
  LeaseLost,
  ListQuery,
  NewMessage,
  Payload,
  PushAnswer,
  QueueStats,
  Reason,
  ReserveRequest,
  RetryAnswer,
} from './message-queue.js';
import type { TimeMark } from './queue-time.js';
import type { Failure } from './retry-policy.js';

/** What the thread of a queue does, and how it answers. */
export interface Operations {
  push: { readonly takes: { readonly message: NewMessage }; readonly gives: PushAnswer };
  reserve: { readonly takes: { readonly request: ReserveRequest }; readonly gives: readonly Delivery[] };
  extend: { readonly takes: { readonly lease: Lease; readonly leaseMs: number }; readonly gives: Held<'extended'> };
  /** `bodyBytes`: size of the whole body, of which the result has the part that is kept. */
  complete: {
    readonly takes: { readonly lease: Lease; readonly result: CallResult; readonly bodyBytes: number };
    readonly gives: Held<'completed'>;
  };
  retry: {
    readonly takes: { readonly lease: Lease; readonly failure: Failure };
    readonly gives: RetryAnswer | LeaseLost;
  };
  giveBack: { readonly takes: { readonly lease: Lease; readonly restMs: number }; readonly gives: Held<'givenBack'> };
  bury: { readonly takes: { readonly lease: Lease; readonly reason: Reason }; readonly gives: Held<'dead'> };
  cancel: { readonly takes: { readonly callId: string }; readonly gives: CancelAnswer };
  buryFunction: { readonly takes: { readonly fnId: string; readonly reason: Reason }; readonly gives: undefined };
  configure: { readonly takes: { readonly fnId: string; readonly limits: FunctionLimits }; readonly gives: undefined };
  get: { readonly takes: { readonly callId: string }; readonly gives: CallRecord | undefined };
  payload: { readonly takes: { readonly callId: string }; readonly gives: Payload | undefined };
  result: { readonly takes: { readonly callId: string }; readonly gives: KeptResult | undefined };
  log: { readonly takes: { readonly callId: string }; readonly gives: string | undefined };
  list: { readonly takes: { readonly query: ListQuery }; readonly gives: CallPage };
  redrive: { readonly takes: DeadChunk; readonly gives: DeadProgress };
  purge: { readonly takes: DeadChunk; readonly gives: DeadProgress };
  stats: { readonly takes: object; readonly gives: QueueStats };
  /** Does what is due, and records the time. */
  tick: { readonly takes: object; readonly gives: undefined };
  /** A new process: its time continues from the mark, and leases are renewed. */
  resume: { readonly takes: object; readonly gives: undefined };
}

type Held<Kind extends string> = { readonly kind: Kind } | LeaseLost;

/** Dead calls are changed in portions, so that other operations come in between. */
export interface DeadChunk {
  readonly selection: DeadSelection;
  /** Where the last portion ended. */
  readonly after: string;
}

export interface DeadProgress {
  readonly changed: number;
  /** Undefined if that was all. */
  readonly after: string | undefined;
}

export type OperationKind = keyof Operations;
export type Operation = {
  [K in OperationKind]: { readonly kind: K } & Operations[K]['takes'];
}[OperationKind];
export type OperationOf<K extends OperationKind> = Extract<Operation, { readonly kind: K }>;
/** Those that change nothing, and look at one call or at a page. */
export type LookupKind = 'get' | 'payload' | 'result' | 'log' | 'list';
export type Answer<K extends OperationKind> = Operations[K]['gives'];

export type OperationResult =
  | { readonly kind: 'done'; readonly answer: unknown }
  /** Nothing was changed. */
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly params?: Record<string, string | number> }
  | { readonly kind: 'failed'; readonly problem: DatabaseProblem };

/** Operations that share a transaction. */
export type ThreadRequest =
  | { readonly kind: 'batch'; readonly operations: readonly Operation[]; readonly time: TimeMark }
  /** The mark that the store has recorded last; undefined in a new one. */
  | { readonly kind: 'lastMark' }
  | { readonly kind: 'close' };

export interface BatchAnswer {
  readonly results: readonly OperationResult[];
  /** Whether calls have become ready, or room for them. */
  readonly ready: boolean;
  readonly ended: readonly { readonly callId: string; readonly state: CallState }[];
  /** When something will be due, in time of the queue. */
  readonly nextAt: number | undefined;
}

export type ThreadReply = BatchAnswer | { readonly mark: TimeMark | undefined };

/** Refuses an operation before it has changed anything. */
export class Refusal extends Error {
  constructor(
    readonly code: ErrorCode,
    readonly params?: Record<string, string | number>,
  ) {
    super(code);
  }
}
