import { FnError, TurnoverSet } from '@fnfleet/core';
import type { Evictable, Evictor } from '../slots/evictor.js';
import type { Resources, ResourceToken, ResourceTracker } from './resource-tracker.js';

/** Provides resources for new containers: free ones, or those of idle containers of other functions. */
export class Capacity {
  /** Slot keys of the waiting calls, in the order in which the tracker will serve them. */
  private readonly waiting = new TurnoverSet<{ readonly slotKey: string }>();

  constructor(
    private readonly tracker: ResourceTracker,
    private readonly evictor: Evictor,
    /** Whether a call that finds no room is refused. */
    readonly nonBlocking: boolean,
  ) {
    const help = () => this.helpLongestWaiter();
    tracker.onStarved = help;
  }

  /** Memory that evicting all idle containers would free, bytes. */
  get idleMemoryBytes(): number {
    return this.evictor.memoryBytes;
  }

  /**
   * Acquires resources for one container, waiting if necessary.
   * @throws FnError `serverBusy` at once in non-blocking mode when there are none and eviction cannot free enough;
   *   the signal's reason on abort
   */
  async acquire(need: Resources, slotKey: string, signal: AbortSignal): Promise<ResourceToken> {
    const token = this.tracker.tryReserve(need);
    if (token) return token;
    const roomComes = this.evictor.makeRoom(this.tracker.shortage(need), slotKey);
    if (!roomComes && this.nonBlocking) throw new FnError('serverBusy');
    const entry = { slotKey };
    this.waiting.add(entry);
    try {
      return await this.tracker.reserve(need, signal);
    } finally {
      this.waiting.delete(entry);
    }
  }

  /** Whether this many containers would fit if idle ones were evicted. A cheap estimate. */
  hasRoomFor({ memoryBytes, cpuMillis }: Resources, containers: number): boolean {
    const missing = this.tracker.shortage({ memoryBytes: containers * memoryBytes, cpuMillis: containers * cpuMillis });
    return missing.memoryBytes <= this.evictor.memoryBytes && missing.cpuMillis <= 0;
  }

  /** Acquires resources that are free and that no call waits for; undefined if there are none. */
  acquireSpare(need: Resources): ResourceToken | undefined {
    return this.tracker.tryReserve(need);
  }

  /** The container became idle. It may be evicted at once. */
  idleBegins(container: Evictable): void {
    this.evictor.add(container);
    this.helpLongestWaiter();
  }

  idleEnds(container: Evictable): void {
    this.evictor.remove(container);
  }

  private helpLongestWaiter(): void {
    const missing = this.tracker.headShortage();
    if (missing === undefined) return;
    for (const { slotKey } of this.waiting) {
      this.evictor.makeRoom(missing, slotKey);
      return;
    }
  }
}
