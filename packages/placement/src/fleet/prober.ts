import type { Clock, Timer } from '@fnfleet/core';
import { StreamError } from '@fnfleet/protocol';
import type { RunnerState } from './runner-state.js';

/** Runners that are asked at the same time at most. */
const AT_ONCE = 16;
/** One that could not be reached is asked again after this time, milliseconds. */
const LOST_MS = 500;
/** One that tells of itself with its calls is asked this often all the same: its clock and its name come with a status only. */
const INTRODUCTION_MS = 10_000;

/**
 * Asks runners how they are that have not said so lately: a view that has no calls there learns of room, of draining, and of
 * one that is back. The answer reaches the view by itself.
 *
 * A status that fails is one rpc that fails, and no reason to offer a runner no calls. Only one that cannot be reached at all is
 * unreachable, and not even that if it has answered a call since it was asked.
 */
export class Prober {
  private timer: Timer | undefined;
  private readonly asking = new Map<RunnerState, AbortController>();
  private closed = false;

  constructor(
    private readonly clock: Clock,
    /** Between two rounds, milliseconds. */
    private readonly everyMs: number,
    private readonly runners: () => Iterable<RunnerState>,
    /** A runner has told of itself. */
    private readonly onStatus?: () => void,
  ) {}

  begin(): void {
    if (this.everyMs === 0 || this.timer !== undefined || this.closed) return;
    this.timer = this.clock.after(Math.min(this.everyMs, LOST_MS), () => {
      this.timer = undefined;
      this.begin();
      this.round();
    });
  }

  close(): void {
    this.closed = true;
    this.timer?.cancel();
    for (const life of this.asking.values()) life.abort();
  }

  /** Asks those who are due, as many as may be asked at once; the others have their turn in the next round. */
  round(): void {
    if (this.everyMs === 0) return;
    for (const state of this.runners()) {
      if (this.asking.size >= AT_ONCE) return;
      if (this.isDue(state) && !this.asking.has(state)) void this.ask(state);
    }
  }

  /** Asks every runner now, for so long at most, milliseconds. What they say reaches their views by then, as far as it comes. */
  async askAll(limitMs: number): Promise<void> {
    const over = new AbortController();
    const left = [...this.runners()].filter((state) => !state.isGone && !this.asking.has(state));
    const askSome = async () => {
      for (let state = left.shift(); state && !over.signal.aborted && !this.closed; state = left.shift())
        await this.ask(state);
    };
    const all = Promise.all(Array.from({ length: AT_ONCE }, askSome));
    await Promise.race([all, this.clock.sleep(limitMs, over.signal)]);
    over.abort();
  }

  private isDue(state: RunnerState): boolean {
    const now = this.clock.now();
    if (state.isGone) return false;
    if (now - state.probedAt >= Math.max(INTRODUCTION_MS, this.everyMs) && !state.isUnreachable) return true;
    return now - state.lastHeardAt >= (state.isUnreachable ? Math.min(LOST_MS, this.everyMs) : this.everyMs);
  }

  private async ask(state: RunnerState): Promise<void> {
    const life = new AbortController();
    this.asking.set(state, life);
    const sentAt = this.clock.now();
    try {
      state.onProbeSuccess(await state.runner.status(life.signal), sentAt);
      this.onStatus?.();
    } catch (error) {
      if (life.signal.aborted) return;
      if (error instanceof StreamError && error.unreachable && state.answeredAt < sentAt)
        state.onProbeUnreachable(error);
      else state.onProbeFailure();
    } finally {
      this.asking.delete(state);
    }
  }
}
