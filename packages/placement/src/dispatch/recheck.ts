import { type Clock, type MonoMs, type Timer, TurnoverMap } from '@fnfleet/core';
import type { ResourceRequest } from '../fleet/capacity-estimate.js';
import type { RunnerState } from '../fleet/runner-state.js';

/** Rechecks closer together than this are merged, milliseconds. */
const LEAST_MS = 1;

/** Rechecks runners that were skipped for a reason that expires. One timer per runner. */
export class Recheck {
  private readonly pending = new TurnoverMap<RunnerState, { readonly at: MonoMs; readonly timer: Timer }>();

  constructor(
    private readonly clock: Clock,
    private readonly onDue: (state: RunnerState) => void,
  ) {}

  /** Schedules a recheck for a request that was not offered. */
  when(state: RunnerState, request: ResourceRequest): void {
    const at = state.eligibleAgainAt(request);
    if (at === undefined) return;
    const pending = this.pending.get(state);
    if (pending !== undefined && pending.at <= at) return;
    pending?.timer.cancel();
    const timer = this.clock.after(Math.max(LEAST_MS, at - this.clock.now()), () => {
      this.pending.delete(state);
      this.onDue(state);
    });
    this.pending.set(state, { at, timer });
  }

  /** Cancels everything. */
  close(): void {
    for (const { timer } of this.pending.values()) timer.cancel();
    this.pending.clear();
  }
}
