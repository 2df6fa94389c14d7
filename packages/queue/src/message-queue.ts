import type { WallMs } from '@fnfleet/core';
import type { Failure, RetryPolicy } from './retry-policy.js';

/** Higher ones are leased first. */
export type Priority = 0 | 1 | 2;

/**
 * Keeps calls until they have ended: the border between those who accept asynchronous calls, those who run them, and the
 * stores.
 *
 *   pushed ──▶ delayed ──▶ ready ──reserve──▶ running ──complete──▶ success
 *                 ▲          ▲                  │ │ └───bury────────▶ dead ──redrive──▶ ready
 *                 └──retry───┼──────────────────┘ └──retry, policy──▶ dead
 *                            └──giveBack, lease expired──┘              cancel, from any of the first four ──▶ cancelled
 *
 * Q1  A promise of a change resolves when the change is on disk.
 * Q2  A running call has one lease. Each change by a consumer names its lease; one that is no longer valid changes nothing
 *     and is answered with `leaseLost`.
 * Q3  A lease that is not extended expires, and the call is leased again: its attempt is then one higher.
 * Q4  A call ends once. It is dead only because of its policy, its age, its function or an operator.
 * Q5  Order: higher priority first; apps in turn within a priority, and functions within an app; first in, first out within a function. One
 *     lease in 16 goes to the lowest priority that has ready calls.
 * Q6  A function has at most as many leases as its concurrency limit, and is leased at most at its rate limit.
 * Q7  A reservation has no call of a function of which its holder has enough, and the function keeps its turn for others.
 * Q8  Durations are in milliseconds of the time of the queue, which never steps (`queue-time.ts`). Instants of the wall
 *     clock are for display.
 *
 * Methods reject with FnError: `database…` when the store cannot be used, `queueOverloaded` when too many operations wait.
 * After `databaseSlow`, the change may or may not take effect; each of them may be repeated.
 */
export interface MessageQueue {
  /**
   * Accepts a call. Repeating it with the same call id has no effect.
   * @throws FnError `queueMessageTooBig`, `databaseTextInvalid`, `queueFull` when a bound of the store is reached, or
   *   `queueShareFull` when the function has as much as one may have
   */
  push(message: NewMessage): Promise<PushAnswer>;

  /**
   * Leases ready calls, and waits up to `waitMs` for the first one. If the signal aborts, it ends soon, and what it has leased is given back.
   * @returns empty if there is none in time, or the queue is closed
   */
  reserve(request: ReserveRequest, signal?: AbortSignal): Promise<readonly Delivery[]>;

  /** Makes a lease expire `leaseMs` from now. */
  extend(lease: Lease, leaseMs: number): Promise<{ readonly kind: 'extended' } | LeaseLost>;
  /** Ends a call that succeeded. Repeating it with the same lease is answered in the same way. */
  complete(lease: Lease, result: CallResult): Promise<{ readonly kind: 'completed' } | LeaseLost>;
  /** The attempt failed: the policy of the call decides whether there will be another. */
  retry(lease: Lease, failure: Failure): Promise<RetryAnswer | LeaseLost>;
  /**
   * The attempt has not started: the call returns to its place, and the attempt does not count.
   * @param restMs how long no other call of its function is leased, up to eight times that when it happens again and again; 0 by
   *   default. Who finds no room for a function would otherwise get its calls in turn with those of others, and find none again.
   */
  giveBack(lease: Lease, restMs?: number): Promise<{ readonly kind: 'givenBack' } | LeaseLost>;
  /** Ends a call as dead, whatever its policy. */
  bury(lease: Lease, reason: Reason): Promise<{ readonly kind: 'dead' } | LeaseLost>;

  /** Ends a call that has not ended. Its consumer, if any, learns it as `leaseLost`. */
  cancel(callId: string): Promise<CancelAnswer>;
  /**
   * A function was deleted: its waiting calls end as dead, soon after the promise resolves. None of them starts any more.
   * A running one may end by itself, but is not retried.
   */
  buryFunction(fnId: string, reason: Reason): Promise<void>;
  /** Sets limits before the next push does. */
  configure(fnId: string, limits: FunctionLimits): Promise<void>;

  get(callId: string): Promise<CallRecord | undefined>;
  /** What the caller sent; kept until the call has succeeded or was cancelled, and for dead ones. */
  payload(callId: string): Promise<Payload | undefined>;
  result(callId: string): Promise<KeptResult | undefined>;
  /** What the last attempt with a log has logged; its first bytes if that was much. */
  log(callId: string): Promise<string | undefined>;
  /** Newest first. May return fewer than `limit`, or none, although `next` is set. */
  list(query: ListQuery): Promise<CallPage>;

  /** Makes dead calls ready, as if they had not failed. @returns how many */
  redrive(selection: DeadSelection): Promise<number>;
  /** Forgets dead calls. @returns how many */
  purge(selection: DeadSelection): Promise<number>;

  stats(): Promise<QueueStats>;
  /**
   * Hints after changes that this process made or has learned of: reserve waits by itself, this is for others that wait.
   * @returns a function that unsubscribes
   */
  subscribe(listener: (event: QueueEvent) => void): () => void;

  /**
   * Makes a consistent copy in a new file beside that of the queue, while the queue goes on. The caller removes it. Only for queues
   * in a file: others have the backup of their server.
   */
  readonly save?: () => Promise<SavedQueue>;

  /** Waits for what has been submitted. Waiting reservations return empty. Idempotent. */
  close(): Promise<void>;
}

/** A copy of a queue. */
export interface SavedQueue {
  readonly file: string;
  /** Inode of the file of the queue, by which somebody else recognizes it. */
  readonly inode: string;
}

/** What a consumer needs to run a call; `head` is opaque to the queue. */
export interface Payload {
  readonly head: string;
  readonly body: Uint8Array;
}

export interface NewMessage extends Payload {
  readonly callId: string;
  readonly fnId: string;
  /** Whose function it is: functions of the same app share its turns. Without it, a function has turns of its own. */
  readonly app?: string;
  /** 0 by default. */
  readonly priority?: Priority;
  /** Not leased before this time has passed. */
  readonly delayMs?: number;
  /** A call that has not started by then is dead; never by default. */
  readonly maxAgeMs?: number;
  /** Another call of the function with this key, accepted within a day, takes the place of this one. */
  readonly idempotencyKey?: string;
  /** `DEFAULT_RETRY_POLICY` by default. */
  readonly policy?: RetryPolicy;
  /** Replaces those of the function, also for its calls that wait. Unchanged if undefined. */
  readonly limits?: FunctionLimits;
  /** `calls` by default. All calls of a function are in the same lane. */
  readonly lane?: Lane;
  /** Pushed in the same transaction in which the call succeeds, or becomes dead. A cancelled call has no successor. */
  readonly onSuccess?: FollowUp;
  readonly onFailure?: FollowUp;
}

/** Who leases: balancers take calls of functions, API nodes deliver results. */
export type Lane = 'calls' | 'deliveries';

/**
 * What happens when a call has ended, for example that its result is sent to a URL: a message of its own, with an empty body, that
 * is leased, retried and may die like any other. It is not refused when the queue is full.
 */
export interface FollowUp {
  readonly lane: Lane;
  /** Gives it a turn and limits of its own; not that of a function with calls in another lane. */
  readonly fnId: string;
  /** Opaque to the queue. Whoever accepted the call knows its id, and what to do. */
  readonly head: string;
  readonly policy?: RetryPolicy;
}

/** `callId` is that of the earlier call if this is a duplicate. */
export interface PushAnswer {
  readonly callId: string;
  readonly duplicate: boolean;
}

/** Unlimited where undefined. */
export interface FunctionLimits {
  /** Maximum number of leases at a time. */
  readonly concurrency?: number;
  /** At most `calls` leases in any `perMs`, spread evenly after a burst of that many. */
  readonly rate?: { readonly calls: number; readonly perMs: number };
}

export interface ReserveRequest {
  /** `calls` by default. */
  readonly lane?: Lane;
  /** Who asks, for the history: a balancer's name. */
  readonly holder: string;
  /** At most 1 000. */
  readonly limit: number;
  /** Maximum sum of heads and bodies, except that the first one always fits. At most 16 MiB, which is the default. */
  readonly maxBytes?: number;
  readonly leaseMs: number;
  /** 0 by default. */
  readonly waitMs?: number;
  /**
   * Maximum number of calls of one function, those in `held` included; none by default. So that a function whose calls hang
   * leaves room for others.
   */
  readonly perFunction?: number;
  /** How many calls of a function the holder has already, by the id of the function. At most 1 000 functions. */
  readonly held?: ReadonlyMap<string, number>;
}

/** The right to run a call, until it expires. */
export interface Lease {
  readonly callId: string;
  readonly token: string;
}

export interface LeaseLost {
  readonly kind: 'leaseLost';
  /** `expired`: another may have the call by now. `ended`: see its record. */
  readonly because: 'expired' | 'cancelled' | 'ended' | 'unknown';
}

export interface Delivery extends Payload {
  readonly lease: Lease;
  readonly fnId: string;
  /** From 1. Higher than 1 if the call may have run before. */
  readonly attempt: number;
  readonly priority: Priority;
  /** Time since the call was accepted. */
  readonly ageMs: number;
}

/** What the function answered; `head` is opaque to the queue. */
export interface CallResult extends Payload {
  readonly log?: string;
}

export interface KeptResult extends Payload {
  /** Size of the whole body; `body` has the first bytes of it. */
  readonly bodyBytes: number;
}

export type RetryAnswer =
  /** The next attempt starts after `delayMs` at the earliest. */
  { readonly kind: 'retried'; readonly delayMs: number } | { readonly kind: 'dead'; readonly reason: Reason };

export type CancelAnswer =
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'ended'; readonly status: CallState }
  | { readonly kind: 'notFound' };

/** Why a call failed, for people and for filters. Long texts are truncated. */
export interface Reason {
  /** Of the error table, or one of the queue: `leaseExpired`, `tooOld`, `tooManyDeliveries`. */
  readonly code: string;
  readonly message: string;
}

export type CallState = 'delayed' | 'ready' | 'running' | 'success' | 'dead' | 'cancelled';

export interface CallRecord {
  readonly callId: string;
  readonly fnId: string;
  readonly state: CallState;
  readonly priority: Priority;
  /** Attempts so far, without those that were given back. */
  readonly attempts: number;
  /** Those that the policy counts. */
  readonly failures: number;
  readonly acceptedAt: WallMs;
  /** Start of the current or last attempt. */
  readonly startedAt: WallMs | undefined;
  readonly endedAt: WallMs | undefined;
  /** When a delayed call becomes ready. Only `get` fills it in. */
  readonly nextAt?: WallMs | undefined;
  /** Why it is dead. */
  readonly reason: Reason | undefined;
  /** Past deliveries, oldest first; of many the last ones, of which others than `givenBack` are kept longer. Only `get` fills it in. */
  readonly history: readonly PastDelivery[];
}

export interface PastDelivery {
  readonly attempt: number;
  readonly holder: string;
  readonly startedAt: WallMs;
  readonly endedAt: WallMs;
  readonly end: 'completed' | 'retried' | 'dead' | 'givenBack' | 'leaseExpired' | 'cancelled';
  readonly reason: Reason | undefined;
}

export interface ListQuery {
  readonly fnId?: string;
  readonly state?: CallState;
  readonly lane?: Lane;
  /** Accepted at or after; before. */
  readonly since?: WallMs;
  readonly until?: WallMs;
  readonly limit: number;
  /** Only call ids below: `next` of the previous page. */
  readonly cursor?: string;
}

export interface CallPage {
  readonly calls: readonly CallRecord[];
  /** Undefined if this is the last page. */
  readonly next: string | undefined;
}

export type DeadSelection =
  | { readonly callId: string }
  /** All dead calls of a function. */
  | { readonly fnId: string }
  | { readonly all: true };

export interface QueueStats {
  readonly ready: number;
  readonly delayed: number;
  readonly running: number;
  readonly dead: number;
  /** Those of `ready`, `delayed` and `running` that are deliveries. */
  readonly deliveries: number;
  /** Calls that succeeded or were cancelled and are still known. */
  readonly ended: number;
  /** Since the oldest ready call was accepted, deliveries excluded; undefined if there is none. */
  readonly oldestAgeMs: number | undefined;
  /** The same of ready deliveries. */
  readonly oldestDeliveryAgeMs: number | undefined;
  readonly bytes: number;
  /** The functions with most waiting calls. */
  readonly functions: readonly FunctionStats[];
}

export interface FunctionStats {
  readonly fnId: string;
  readonly ready: number;
  readonly delayed: number;
  readonly running: number;
  readonly dead: number;
}

export type QueueEvent =
  /** Calls may have become ready. */
  { readonly kind: 'ready' } | { readonly kind: 'ended'; readonly callId: string; readonly state: CallState };
