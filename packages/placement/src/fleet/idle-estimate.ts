import { TurnoverMap } from '@fnfleet/core';
import type { FunctionState } from './function-state.js';

/**
 * Which functions are believed to have idle containers on one runner, in the order in which they became idle. The runner tells
 * of a function only with that function's calls, but how much memory is idle with every call. When that is less than what is
 * believed in, the oldest have been pushed out since: a runner of ours evicts the container that was idle the longest.
 */
export class IdleEstimate {
  private readonly order = new TurnoverMap<string, FunctionState>();

  /** A container of the function has become idle, so far the last. */
  renewed(fnId: string, known: FunctionState): void {
    this.order.delete(fnId);
    this.order.set(fnId, known);
  }

  /** Functions with a free container. */
  count(now: number): number {
    return [...this.order.values()].filter((known) => known.freeSlots(now) > 0).length;
  }

  /**
   * @param idleBytes what is idle there by its own account
   * @returns functions of which no container is left
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
