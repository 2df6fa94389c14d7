import { FnError, TurnoverSet } from '@fnfleet/core';

/** Kinds of requests to the source: no value is cached, an old one is, or a background refresh. */
export type LaneName = 'unknown' | 'known' | 'refresh';

interface LaneBounds {
  /** Maximum number of concurrent requests to the source. */
  readonly asked: number;
  /** Maximum number of waiting requests; more are rejected. */
  readonly waiting: number;
}

/**
 * Together as many as the connections to an API node, and half of the lookups that it lets wait. Callers can make up
 * unknown names, so these get only a part. As many requests may wait as the source answers in a second.
 */
const BOUNDS: Readonly<Record<LaneName, LaneBounds>> = {
  unknown: { asked: 64, waiting: 1_000 },
  known: { asked: 48, waiting: 10_000 },
  refresh: { asked: 16, waiting: 0 },
};

/**
 * Bounded lanes to the source of functions, shared by all lookups. Clients that make up names, or ten thousand entries
 * that expire at once, cause only a limited number of concurrent requests, and do not block other lookups.
 */
export class LookupLanes {
  private readonly lanes: Readonly<Record<LaneName, Lane>>;

  constructor(bounds = BOUNDS) {
    this.lanes = {
      unknown: new Lane(bounds.unknown),
      known: new Lane(bounds.known),
      refresh: new Lane(bounds.refresh),
    };
  }

  /** Whether a request would be sent at once. */
  isOpen(name: LaneName): boolean {
    return this.lanes[name].isOpen;
  }

  /**
   * Sends a request when it is its turn, at once if possible.
   * @throws FnError `lookupUnavailable` when too many wait already; the reason of the signal; the error of `ask`
   */
  async run<T>(name: LaneName, ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const lane = this.lanes[name];
    if (!lane.enter()) await lane.wait(signal);
    try {
      return await ask();
    } finally {
      lane.leave();
    }
  }
}

class Lane {
  private asked = 0;
  private readonly waiting = new TurnoverSet<() => void>();

  constructor(private readonly bounds: LaneBounds) {}

  get isOpen(): boolean {
    return this.asked < this.bounds.asked;
  }

  enter(): boolean {
    if (!this.isOpen) return false;
    this.asked += 1;
    return true;
  }

  /** Waits for a place in the lane, in order of arrival. */
  async wait(signal: AbortSignal): Promise<void> {
    if (this.waiting.size >= this.bounds.waiting) {
      const cause = new Error(`${this.bounds.waiting} lookups are already waiting`);
      throw new FnError('lookupUnavailable', { cause, retryAfterSeconds: 1 });
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const giveUp = () => reject(signal.reason);
    this.waiting.add(resolve);
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      await promise;
    } catch (error) {
      // It may have received its place at the same moment.
      if (!this.waiting.delete(resolve)) this.leave();
      throw error;
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  /** Hands the place to the request that has waited longest. */
  leave(): void {
    const [next] = this.waiting;
    if (next === undefined) {
      this.asked -= 1;
      return;
    }
    this.waiting.delete(next);
    next();
  }
}
