import { TurnoverMap } from '@fnfleet/core';
import { MAX_HELD, type ReserveRequest } from '@fnfleet/queue';

/** Part of the calls that is kept for functions that have none. */
const KEPT = 1 / 4;
/** How many calls of a function may run for each other one that could be started now. */
const PER_FREE = 8;

/** What a reservation asks for. */
export type Wanted = Required<Pick<ReserveRequest, 'limit' | 'perFunction' | 'held'>>;

/**
 * Shares the calls that may run at a time among functions, so that functions whose calls hang leave room for others. How many
 * calls a function may have depends on how many are free: one that is alone gets most, and each further one that takes a lot makes
 * the share of all smaller. After each answer of a queue holds:
 *
 * S1  A function has one call, or at most eight times as many as are free without those that are kept.
 * S2  The last quarter of the calls goes to functions that have none. Of 16, one function gets 10 at most, and six that hang, one
 *     after the other, leave one.
 *
 * It knows functions and not apps. What is leased goes to apps in turn, and functions whose calls end quickly soon leave room for other
 * apps; but an app with as many functions that hang as calls may run at a time has all of them until their timeouts.
 */
export class FunctionShares {
  private readonly running = new TurnoverMap<string, number>();
  private readonly kept: number;
  private total = 0;

  /** @param limit how many calls may run at a time */
  constructor(private readonly limit: number) {
    this.kept = Math.floor(KEPT * limit);
  }

  get free(): number {
    return this.limit - this.total;
  }

  get isIdle(): boolean {
    return this.total === 0;
  }

  begin(fnId: string): void {
    this.running.set(fnId, (this.running.get(fnId) ?? 0) + 1);
    this.total += 1;
  }

  end(fnId: string): void {
    const count = (this.running.get(fnId) ?? 0) - 1;
    if (count > 0) this.running.set(fnId, count);
    else this.running.delete(fnId);
    this.total -= 1;
  }

  /** Whether a call of the function may start. */
  admits(fnId: string): boolean {
    const count = this.running.get(fnId) ?? 0;
    return this.free > 0 && (count === 0 || count < PER_FREE * (this.free - 1 - this.kept));
  }

  /** @param ahead how many more calls of a function are wanted before there is room for them; less than none if there are too many */
  wanted(ahead: ReadonlyMap<string, number> = new Map()): Wanted {
    const { limit, perFunction } = this.bounds();
    const held = new Map(this.largest(MAX_HELD - ahead.size));
    let further = 0;
    for (const [fnId, more] of ahead) {
      further += more;
      // As if it had fewer, so that the queue gives it those that are wanted ahead, whatever it may have otherwise.
      held.set(fnId, Math.min(this.running.get(fnId) ?? 0, perFunction) - more);
    }
    return { limit: limit + Math.max(0, further), perFunction, held };
  }

  /** Whether a function that was not wanted would be wanted now. */
  isOutdated({ perFunction, held }: Wanted): boolean {
    if (this.free <= 0) return false;
    const now = this.bounds().perFunction;
    for (const [fnId, count] of held) {
      if (count >= perFunction && (this.running.get(fnId) ?? 0) < now) return true;
    }
    return false;
  }

  /** So few that S1 holds also if all of them are of one function. */
  private bounds(): Omit<Wanted, 'held'> {
    const free = Math.max(0, this.free);
    const shared = free - this.kept;
    if (shared <= 1) return { limit: free, perFunction: 1 };
    const limit = Math.floor(shared / 2);
    return { limit, perFunction: PER_FREE * (shared - limit) };
  }

  /** Those with few calls, if there are too many to name, may get one more than they should. */
  private largest(count: number): Iterable<[string, number]> {
    if (this.running.size <= count) return this.running;
    return [...this.running].sort(([, a], [, b]) => b - a).slice(0, count);
  }
}
