import { FnError, TurnoverSet } from '@fnfleet/core';
import type { Evictable, Evictor } from '../slots/evictor.js';
import type { Resources, ResourceToken, ResourceTracker } from './resource-tracker.js';

/** Room for new containers: what is free, else what idle containers of other functions can give up. */
export class Capacity {
  /** Slot keys of those who wait, in the order in which the tracker will serve them. */
  private readonly waiting = new TurnoverSet<{ readonly slotKey: string }>();

  constructor(
    private readonly tracker: ResourceTracker,
    private readonly evictor: Evictor,
    /** A call that finds no room is refused. */
    readonly nonBlocking: boolean,
  ) {
    const help = () => this.helpLongestWaiter();
    tracker.onStarved = help;
  }

  /** What all idle containers together could give up, bytes. */
  get idleMemoryBytes(): number {
    return this.evictor.memoryBytes;
  }

  /**
   * Room for one container.
   * @throws FnError `serverBusy` at once in non-blocking mode when there is none and none can be made;
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

  /** Whether so many containers would fit where idle ones may have to go. An estimate that costs little. */
  hasRoomFor({ memoryBytes, cpuMillis }: Resources, containers: number): boolean {
    const missing = this.tracker.shortage({ memoryBytes: containers * memoryBytes, cpuMillis: containers * cpuMillis });
    return missing.memoryBytes <= this.evictor.memoryBytes && missing.cpuMillis <= 0;
  }

  /** Room that is free and that nobody waits for, or undefined. */
  acquireSpare(need: Resources): ResourceToken | undefined {
    return this.tracker.tryReserve(need);
  }

  /** A container has become idle: it may have to make room at once. */
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
