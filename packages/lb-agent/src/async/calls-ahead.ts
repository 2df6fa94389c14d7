import { type Clock, later, type MonoMs, TurnoverMap, TurnoverSet } from '@fnfleet/core';

/** So many calls are leased ahead as end in this time. */
const AHEAD_MS = 25;
const MAX_AHEAD = 384;

/** A call that was leased before there was room for it. */
export interface CallAhead<Source, Delivery> {
  readonly source: Source;
  readonly delivery: Delivery;
  readonly since: MonoMs;
}

/**
 * Calls that were leased before there was room for them, so that the next one starts as soon as one ends, and that one request of the
 * queue is for many of them: what a request and a transaction cost does not depend on how many calls they are for.
 *
 * H1  Of each function, as many as have ended in the last 25 ms: they wait for about as long. None of a function whose calls are slow,
 *     because another balancer might have room for them.
 */
export class CallsAhead<Source, Delivery extends { readonly fnId: string }> {
  private readonly calls = new TurnoverSet<CallAhead<Source, Delivery>>();
  private readonly held = new TurnoverMap<string, number>();
  /** Ends in the present stretch of time, and in the one before. */
  private ends = new Map<string, number>();
  private endsBefore = new Map<string, number>();
  private stretchAt: MonoMs;

  constructor(private readonly clock: Pick<Clock, 'now'>) {
    this.stretchAt = clock.now();
  }

  get size(): number {
    return this.calls.size;
  }

  /** A call has ended by itself. */
  ended(fnId: string): void {
    this.turn();
    this.ends.set(fnId, (this.ends.get(fnId) ?? 0) + 1);
  }

  /** H1. How many there may be. */
  get limit(): number {
    let limit = 0;
    for (const count of this.limits().values()) limit += count;
    return limit;
  }

  /** How many more of each function are wanted; less than none if there are too many. */
  missing(): ReadonlyMap<string, number> {
    const missing = this.limits();
    for (const [fnId, count] of this.held) missing.set(fnId, (missing.get(fnId) ?? 0) - count);
    return missing;
  }

  add(source: Source, delivery: Delivery): void {
    this.calls.add({ source, delivery, since: this.clock.now() });
    this.held.set(delivery.fnId, (this.held.get(delivery.fnId) ?? 0) + 1);
  }

  /** Takes the one that has waited longest of those that may start. */
  next(mayStart: (fnId: string) => boolean): CallAhead<Source, Delivery> | undefined {
    for (const call of this.calls) if (mayStart(call.delivery.fnId)) return this.take(call);
    return undefined;
  }

  /** Takes those that have waited for so long, the longest first. */
  olderThan(ms: number): CallAhead<Source, Delivery>[] {
    const now = this.clock.now();
    const old = [...this.calls].filter(({ since }) => later(since, ms) <= now);
    for (const call of old) this.take(call);
    return old;
  }

  private take(call: CallAhead<Source, Delivery>): CallAhead<Source, Delivery> {
    const { fnId } = call.delivery;
    this.calls.delete(call);
    const left = (this.held.get(fnId) ?? 0) - 1;
    if (left > 0) this.held.set(fnId, left);
    else this.held.delete(fnId);
    return call;
  }

  private limits(): Map<string, number> {
    this.turn();
    const limits = new Map(this.endsBefore);
    for (const [fnId, count] of this.ends) limits.set(fnId, Math.max(count, limits.get(fnId) ?? 0));
    let total = 0;
    for (const count of limits.values()) total += count;
    const share = Math.min(1, MAX_AHEAD / total);
    for (const [fnId, count] of limits) limits.set(fnId, Math.floor(share * count));
    return limits;
  }

  private turn(): void {
    const now = this.clock.now();
    if (now < later(this.stretchAt, AHEAD_MS)) return;
    this.endsBefore = now < later(this.stretchAt, 2 * AHEAD_MS) ? this.ends : new Map();
    this.ends = new Map();
    this.stretchAt = now;
  }
}
