import { type Clock, count, countFromZero, Deferred, FnError, LONG_AGO, type MonoMs, observe } from '@fnfleet/core';
import type { OutboundCall } from '@fnfleet/protocol';
import type { ResourceRequest } from '../fleet/capacity-estimate.js';
import type { RunnerState } from '../fleet/runner-state.js';
import { FairQueue } from './fair-queue.js';

/** How much may wait for a runner. */
export interface QueueLimits {
  /** Number of calls. */
  readonly maxCalls: number;
  /** Bytes of bodies that waiting calls keep in memory. */
  readonly maxBytes: number;
}

/** Why a call stopped waiting. */
export type WakeUp =
  /** The runner may have capacity; the call is already counted as offered to it. */
  | { readonly kind: 'room'; readonly state: RunnerState }
  /** The runners have changed, or it is time to check them again. */
  | { readonly kind: 'look' }
  /** Rejected in favour of other calls, with this error. */
  | { readonly kind: 'shed'; readonly error: Error }
  /** Its time is over, or its caller has left. */
  | { readonly kind: 'over' };

/** A call that waits for a runner. */
export class WaitingCall {
  private readonly woken = new Deferred<WakeUp>();

  constructor(
    readonly call: OutboundCall,
    readonly request: ResourceRequest,
    /** Bytes of its body that it keeps in memory. */
    readonly bytes: number,
  ) {}

  get appId(): string {
    return this.call.model.appId;
  }

  get wakeUp(): Promise<WakeUp> {
    return this.woken.promise;
  }

  /** The caller has already removed it from the queue. */
  wake(how: WakeUp): void {
    this.woken.resolve(how);
  }
}

/** `Retry-After` in seconds: the default if the drain rate is unknown, as in Fn; the minimum; and the maximum. */
const RETRY_UNKNOWN_S = 15;
const RETRY_LEAST_S = 1;
const RETRY_MOST_S = 120;

/**
 * Calls that no runner takes now. They wait for an event: capacity on a runner, other runners, or the end of their time.
 *
 * W1  Bounded in calls and in bytes of bodies. When it is full, the application with the most waiting calls loses its newest
 *     call, which may be the arriving one.
 * W2  A call that cannot expect its turn in time is rejected at once, not when its time is over.
 * W3  A woken call has left the queue; if it comes back, it goes to the front of its function.
 */
export class PlacementQueue {
  private readonly queue = new FairQueue<WaitingCall>();
  private readonly rate: DrainRate;
  private bytes = 0;

  constructor(
    private readonly limits: QueueLimits,
    private readonly clock: Clock,
    /** Called when the first call begins to wait. */
    private readonly onWaiting: () => void,
  ) {
    this.rate = new DrainRate(clock);
    countFromZero('lb_queue_waiting');
    countFromZero('lb_queue_shed_count', { reason: 'deadline' }, { reason: 'full' }, { reason: 'share' });
  }

  get size(): number {
    return this.queue.size;
  }

  hasWaiting(call: Pick<WaitingCall, 'appId' | 'request'>): boolean {
    return this.queue.hasFunction(call);
  }

  /**
   * Resolves when the call should continue. Never rejects.
   * @param maxMs how long it may wait
   * @param leftMs what is left of its placement time
   */
  async wait(
    waiting: WaitingCall,
    signal: AbortSignal,
    { maxMs, leftMs, again }: { maxMs: number; leftMs: number; again: boolean },
  ): Promise<WakeUp> {
    const refusal = again ? undefined : this.admit(waiting, leftMs);
    if (refusal) return { kind: 'shed', error: refusal };
    this.add(waiting, again);
    const since = this.clock.now();
    const over = () => this.end(waiting, { kind: 'over' });
    const timer = this.clock.after(maxMs, () => this.end(waiting, { kind: maxMs < leftMs ? 'look' : 'over' }), {
      keepAlive: true,
    });
    signal.addEventListener('abort', over, { once: true });
    if (signal.aborted) over();
    const how = await waiting.wakeUp;
    timer.cancel();
    signal.removeEventListener('abort', over);
    observe('lb_queue_wait_latency', this.clock.now() - since);
    return how;
  }

  /** Gives the turn to the first call that can use a runner with free capacity. Returns false if there is none. */
  offer(state: RunnerState, canUse: (waiting: WaitingCall) => boolean): boolean {
    const waiting = this.queue.take(canUse);
    if (waiting === undefined) return false;
    state.offered(waiting.request);
    this.rate.add();
    this.left(waiting, { kind: 'room', state });
    return true;
  }

  /** Lets every call check whether there is a runner for it. */
  lookAgain(): void {
    for (const waiting of [...this.queue]) this.end(waiting, { kind: 'look' });
  }

  /** Lets the longest waiting call of each function check. */
  wakeHeads(): void {
    for (const waiting of this.queue.heads()) this.end(waiting, { kind: 'look' });
  }

  /** With a `Retry-After` from the drain rate. */
  fullError(): FnError {
    return new FnError('serverBusy', { retryAfterSeconds: this.retryAfterSeconds() });
  }

  private admit({ appId, bytes }: WaitingCall, leftMs: number): FnError | undefined {
    if (this.expectedWaitMs(appId) > leftMs) {
      count('lb_queue_shed_count', 1, { reason: 'deadline' });
      return this.fullError();
    }
    while (this.size >= this.limits.maxCalls || (this.size > 0 && this.bytes + bytes > this.limits.maxBytes)) {
      const mine = this.queue.sizeOf(appId) + 1;
      if (mine > this.size / Math.max(1, this.queue.appCount)) {
        count('lb_queue_shed_count', 1, { reason: 'full' });
        return this.shareError(this.size >= mine);
      }
      const victim = this.queue.dropFromLongest();
      if (victim === undefined) break;
      count('lb_queue_shed_count', 1, { reason: 'share' });
      this.left(victim, { kind: 'shed', error: this.shareError(victim.appId !== appId) });
    }
    return undefined;
  }

  /** An application is to blame only if it crowds out others. */
  private shareError(crowdsOut: boolean): FnError {
    if (!crowdsOut) return this.fullError();
    return new FnError('appOverShare', { retryAfterSeconds: this.retryAfterSeconds() });
  }

  /** Turns rotate between applications, so only the application's own calls are ahead, each with one turn of every other application. */
  private expectedWaitMs(appId: string): number {
    const perSecond = this.rate.perSecond;
    if (perSecond === undefined) return 0;
    const own = this.queue.sizeOf(appId) + 1;
    const ahead = Math.min(this.size, own * Math.max(1, this.queue.appCount));
    return (ahead / perSecond) * 1000;
  }

  private retryAfterSeconds(): number {
    const perSecond = this.rate.perSecond;
    if (perSecond === undefined) return RETRY_UNKNOWN_S;
    return Math.min(RETRY_MOST_S, Math.max(RETRY_LEAST_S, Math.ceil(this.size / perSecond)));
  }

  private add(waiting: WaitingCall, atFront: boolean): void {
    this.queue.add(waiting, atFront);
    this.bytes += waiting.bytes;
    count('lb_queue_waiting', 1);
    if (this.size === 1) this.onWaiting();
  }

  private end(waiting: WaitingCall, how: WakeUp): void {
    if (this.queue.remove(waiting)) this.left(waiting, how);
  }

  private left(waiting: WaitingCall, how: WakeUp): void {
    this.bytes -= waiting.bytes;
    count('lb_queue_waiting', -1);
    waiting.wake(how);
  }
}

/** Half-life of the count, milliseconds. */
const HALF_LIFE_MS = 5_000;
/** Fewer calls do not allow a prediction. */
const LEAST_CALLS = 8;

/** How fast calls leave the queue for a runner: an exponentially decaying count. */
export class DrainRate {
  private weight = 0;
  private since: MonoMs | undefined;
  private at = LONG_AGO;

  constructor(private readonly clock: Pick<Clock, 'now'>) {}

  /** Counts one placed call. */
  add(): void {
    this.fade();
    this.weight += 1;
    this.since ??= this.at;
  }

  /** Calls per second; undefined until enough is known. */
  get perSecond(): number | undefined {
    this.fade();
    if (this.since === undefined || this.weight < LEAST_CALLS) return undefined;
    // The weight after this time at one call per second.
    const seconds = HALF_LIFE_MS / 1000 / Math.LN2;
    const full = seconds * (1 - 2 ** ((this.since - this.at) / HALF_LIFE_MS));
    return full > 0 ? this.weight / full : undefined;
  }

  private fade(): void {
    const now = this.clock.now();
    this.weight *= 2 ** ((this.at - now) / HALF_LIFE_MS);
    this.at = now;
    if (this.weight < 0.01) this.since = undefined;
  }
}
