import { type Clock, type MonoMs, type Timer, TurnoverMap } from '@fnfleet/core';
import type { Need } from '../fleet/need.js';
import type { RunnerView } from '../fleet/runner-view.js';

/** Earlier than this after another look makes no difference, milliseconds. */
const LEAST_MS = 1;

/** Looks again at runners whose reason for being passed over runs out by itself. One timer a runner. */
export class Recheck {
  private readonly pending = new TurnoverMap<RunnerView, { readonly at: MonoMs; readonly timer: Timer }>();

  constructor(
    private readonly clock: Clock,
    private readonly onDue: (view: RunnerView) => void,
  ) {}

  /** For a function that was not offered. */
  when(view: RunnerView, need: Need): void {
    const at = view.fitAgainAt(need);
    if (at === undefined) return;
    const pending = this.pending.get(view);
    if (pending !== undefined && pending.at <= at) return;
    pending?.timer.cancel();
    const timer = this.clock.after(Math.max(LEAST_MS, at - this.clock.now()), () => {
      this.pending.delete(view);
      this.onDue(view);
    });
    this.pending.set(view, { at, timer });
  }

  /** Cancels everything. */
  close(): void {
    for (const { timer } of this.pending.values()) timer.cancel();
    this.pending.clear();
  }
}
