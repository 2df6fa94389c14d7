import type { Clock, Timer } from '@fnfleet/core';

const NEVER = Number.POSITIVE_INFINITY;

/**
 * A timer that is set and cancelled for every call but rarely touches the clock: cancelling only discards the due time, and
 * setting a later one keeps the clock's timer, which checks the due time when it fires. Durations in milliseconds.
 */
export class LazyTimer {
  private timer: Timer | undefined;
  private firesAt = NEVER;
  private dueAt = NEVER;

  constructor(
    private readonly clock: Clock,
    private readonly callback: () => void,
  ) {}

  /** Calls back once after the delay, unless set again or cancelled before. */
  set(delayMs: number): void {
    const now = this.clock.now();
    this.dueAt = now + delayMs;
    if (this.dueAt < this.firesAt) this.arm(now);
  }

  cancel(): void {
    this.dueAt = NEVER;
  }

  /** Cancels the timer and that of the clock. */
  close(): void {
    this.cancel();
    this.timer?.cancel();
    this.timer = undefined;
    this.firesAt = NEVER;
  }

  private arm(now: number): void {
    this.timer?.cancel();
    this.firesAt = this.dueAt;
    this.timer = this.clock.after(this.dueAt - now, () => this.fire());
  }

  private fire(): void {
    this.timer = undefined;
    this.firesAt = NEVER;
    if (this.dueAt === NEVER) return;
    const now = this.clock.now();
    if (now < this.dueAt) return this.arm(now);
    this.dueAt = NEVER;
    this.callback();
  }
}
