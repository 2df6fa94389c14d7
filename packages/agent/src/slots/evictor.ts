import { TurnoverSet } from '@fnfleet/core';
import { isNothing, type Resources } from '../resources/resource-tracker.js';

/** An idle container, as the evictor sees it. */
export interface Evictable {
  readonly slotKey: string;
  readonly resources: Resources;
  /** A standby container is evicted only when the others are not enough. */
  readonly isStandby: boolean;
  /** Announces the release of its resources and begins to close. */
  evict(): void;
}

/**
 * Closes idle containers of other functions when a call needs their resources: longest idle first, standby containers last.
 * It evicts either enough containers or none.
 */
export class Evictor {
  /** Ordered by when they became idle. */
  private readonly candidates = new TurnoverSet<Evictable>();
  private heldBytes = 0;

  /** Memory of all containers that could be evicted, bytes. */
  get memoryBytes(): number {
    return this.heldBytes;
  }

  /** The container became idle. A container without resources has nothing to free and is not added. */
  add(candidate: Evictable): void {
    if (isNothing(candidate.resources) || this.candidates.has(candidate)) return;
    this.candidates.add(candidate);
    this.heldBytes += candidate.resources.memoryBytes;
  }

  /** The container is no longer idle. */
  remove(candidate: Evictable): void {
    if (this.candidates.delete(candidate)) this.heldBytes -= candidate.resources.memoryBytes;
  }

  /**
   * Evicts enough containers to release what is missing.
   * @param forKey containers with this slot key are spared, because they could serve the call themselves
   * @returns false when all candidates together are not enough; then none is evicted
   */
  makeRoom(missing: Resources, forKey: string): boolean {
    const chosen = this.choose(missing, forKey);
    for (const candidate of chosen ?? []) {
      this.remove(candidate);
      candidate.evict();
    }
    return chosen !== undefined;
  }

  private choose(missing: Resources, forKey: string): Evictable[] | undefined {
    let { memoryBytes, cpuMillis } = missing;
    const chosen: Evictable[] = [];
    for (const candidate of this.inOrder()) {
      if (memoryBytes <= 0 && cpuMillis <= 0) break;
      if (candidate.slotKey === forKey) continue;
      chosen.push(candidate);
      memoryBytes -= candidate.resources.memoryBytes;
      cpuMillis -= candidate.resources.cpuMillis;
    }
    return memoryBytes <= 0 && cpuMillis <= 0 ? chosen : undefined;
  }

  private *inOrder(): Iterable<Evictable> {
    for (const candidate of this.candidates) if (!candidate.isStandby) yield candidate;
    for (const candidate of this.candidates) if (candidate.isStandby) yield candidate;
  }
}
