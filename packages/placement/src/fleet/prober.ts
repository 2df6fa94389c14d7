import type { Clock, Timer } from '@fnfleet/core';
import { StreamError } from '@fnfleet/protocol';
import type { RunnerState } from './runner-state.js';

/** Limit for concurrent probes. */
const AT_ONCE = 16;
/** Interval between probes of an unreachable runner, milliseconds. */
const LOST_MS = 500;
/** Interval for runners that report with their calls: only a status has their clock and name. */
const INTRODUCTION_MS = 10_000;

/**
 * Probes runners that have not reported lately. That is how the fleet state learns about capacity, draining and recovery without
 * calls. Answers reach the state by themselves.
 *
 * A failed probe is one failed RPC and no reason to skip a runner. Only a runner without a connection is unreachable, and not if
 * it has answered a call since the probe was sent.
 */
export class Prober {
  private timer: Timer | undefined;
  private readonly asking = new Map<RunnerState, AbortController>();
  private closed = false;

  constructor(
    private readonly clock: Clock,
    /** Interval between rounds, milliseconds. */
    private readonly everyMs: number,
    private readonly runners: () => Iterable<RunnerState>,
    /** Called when a runner has answered. */
    private readonly onStatus?: () => void,
  ) {}

  start(): void {
    if (this.everyMs === 0 || this.timer !== undefined || this.closed) return;
    this.timer = this.clock.after(Math.min(this.everyMs, LOST_MS), () => {
      this.timer = undefined;
      this.start();
      this.round();
    });
  }

  close(): void {
    this.closed = true;
    this.timer?.cancel();
    for (const life of this.asking.values()) life.abort();
  }

  /** Probes due runners up to the limit; the others follow in the next round. */
  round(): void {
    if (this.everyMs === 0) return;
    for (const state of this.runners()) {
      if (this.asking.size >= AT_ONCE) return;
      if (this.isDue(state) && !this.asking.has(state)) void this.ask(state);
    }
  }

  /** Probes every runner now, for at most `limitMs`. Answers that arrive by then have reached the states. */
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
