import { TurnoverMap } from '@fnfleet/core';
import type { FunctionState } from './function-state.js';

/**
 * Estimates which functions have idle containers on one runner, in the order in which they became idle. A runner reports the
 * containers of a function only with calls of that function, but its total idle memory with every call. If that is less than the
 * estimate, the oldest were evicted: our runners evict the container that was idle longest.
 */
export class IdleEstimate {
  private readonly order = new TurnoverMap<string, FunctionState>();

  /** A container of the function has become idle just now. */
  renewed(fnId: string, known: FunctionState): void {
    this.order.delete(fnId);
    this.order.set(fnId, known);
  }

  /** Number of functions with a free container. */
  count(now: number): number {
    return [...this.order.values()].filter((known) => known.freeSlots(now) > 0).length;
  }

  /**
   * @param idleBytes idle memory as reported by the runner
   * @returns functions without any container left
   */
  trim(idleBytes: number, now: number): string[] {
    const gone: string[] = [];
    let believed = 0;
    for (const [fnId, known] of this.order) {
      const bytes = known.freeSlots(now) * known.bytes;
      if (bytes === 0) this.order.delete(fnId);
      believed += bytes;
    }
    for (const [fnId, known] of this.order) {
      if (believed <= idleBytes) break;
      const excess = Math.ceil((believed - idleBytes) / known.bytes);
      const lost = Math.min(known.freeSlots(now), excess);
      known.lose(lost);
      believed -= lost * known.bytes;
      if (known.freeSlots(now) > 0) continue;
      this.order.delete(fnId);
      gone.push(fnId);
    }
    return gone;
  }
}
