import { FnError, TurnoverSet } from '@fnfleet/core';

/** Who wants something of the source: a caller for whom nothing is known, one for whom something old is, or nobody who waits. */
export type LaneName = 'unknown' | 'known' | 'refresh';

interface LaneBounds {
  /** Questions that the source has at the same time. */
  readonly asked: number;
  /** Those that wait for their turn. More are turned away. */
  readonly waiting: number;
}

/**
 * In sum as many as the connections to an api node, and half of the look-ups that one lets wait. Names that nobody has ever
 * heard of are any caller's to make up, so they leave room for what is in use. As many wait as the source answers in a second.
 */
const BOUNDS: Readonly<Record<LaneName, LaneBounds>> = {
  unknown: { asked: 64, waiting: 1_000 },
  known: { asked: 48, waiting: 10_000 },
  refresh: { asked: 16, waiting: 0 },
};

/**
 * Ways to the source of functions, shared by everything that is looked up there: strangers who make up names, or ten thousand
 * functions whose time is over at once, ask it no more than so many questions at a time, and keep nobody else from asking.
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

  /** Whether a question would be asked at once. */
  isOpen(name: LaneName): boolean {
    return this.lanes[name].isOpen;
  }

  /**
   * Asks when it is its turn: at once, where it can.
   * @throws FnError `lookupUnavailable` when too many wait already; the signal's reason; what `ask` throws
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

  /** Enters when it is its turn, in the order of arrival. */
  async wait(signal: AbortSignal): Promise<void> {
    if (this.waiting.size >= this.bounds.waiting) {
      const cause = new Error(`${this.bounds.waiting} look-ups wait for their turn already`);
      throw new FnError('lookupUnavailable', { cause, retryAfterSeconds: 1 });
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const giveUp = () => reject(signal.reason);
    this.waiting.add(resolve);
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      await promise;
    } catch (error) {
      // Its turn may have come at the same moment.
      if (!this.waiting.delete(resolve)) this.leave();
      throw error;
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  /** Whoever has waited longest takes the place. */
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
