import { type Clock, LONG_AGO } from '@fnfleet/core';

export interface RateLimitOptions {
  readonly perSecond: number;
  /** How many may go at once after a time of rest. */
  readonly burst: number;
  readonly clock: Clock;
}

/** Lets so many through per second, in the order in which they came. */
export class RateLimit {
  private readonly intervalMs: number;
  /** When all that was let through so far will have been paid for. */
  private paidAt: number = LONG_AGO;

  constructor(private readonly options: RateLimitOptions) {
    this.intervalMs = 1000 / options.perSecond;
  }

  /** Resolves when it is one's turn, or at once on abort. Never rejects. */
  async turn(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { clock, burst } = this.options;
    const now = clock.now();
    this.paidAt = Math.max(this.paidAt, now) + this.intervalMs;
    const waitMs = this.paidAt - now - burst * this.intervalMs;
    if (waitMs > 0) await clock.sleep(waitMs, signal);
  }
}
