import { type Clock, type MonoMs, sleepOn, type Timer, type WallMs, wallMs } from './clock.js';

interface Pending {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

/** A clock that stands still until a test moves it. It ships with the product so that users can test their own code. */
export class FakeClock implements Clock {
  private pending: Pending[] = [];
  private order = 0;
  private nowMs = 0;

  /** Process time starts at zero, as in a new process. @param wallEpochMs the initial wall-clock time */
  constructor(private wallEpochMs = Date.UTC(2026, 0, 1)) {}

  /** Timers that have neither fired nor been cancelled. If any are left at the end of a test, it has found a leak. */
  get pendingTimers(): number {
    return this.pending.length;
  }

  now(): MonoMs {
    return this.nowMs as MonoMs;
  }

  wallNow(): WallMs {
    return wallMs(Math.floor(this.wallEpochMs + this.nowMs));
  }

  /** Steps the wall clock, back if negative, as an operator or NTP may do. No time passes. */
  stepWall(ms: number): void {
    this.wallEpochMs += ms;
  }

  after(delayMs: number, callback: () => void): Timer {
    if (!Number.isFinite(delayMs)) return { cancel: () => undefined };
    const entry: Pending = { at: this.nowMs + Math.max(0, delayMs), order: this.order++, callback };
    this.pending.push(entry);
    return {
      cancel: () => {
        this.pending = this.pending.filter((other) => other !== entry);
      },
    };
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, delayMs, signal);
  }

  /** Advances time, fires due timers in order, and lets promises settle after each. */
  async advance(ms: number): Promise<void> {
    const until = this.nowMs + ms;
    await settle();
    for (;;) {
      const due = this.pending.filter((entry) => entry.at <= until).sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (due === undefined) break;
      this.pending = this.pending.filter((entry) => entry !== due);
      this.nowMs = Math.max(this.nowMs, due.at);
      due.callback();
      await settle();
    }
    this.nowMs = until;
  }
}

/** Runs everything that is ready to run. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
