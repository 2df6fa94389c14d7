import { type Clock, LONG_AGO } from '@fnfleet/core';

export interface RateLimitOptions {
  readonly perSecond: number;
  /** How many may pass at once after an idle period. */
  readonly burst: number;
  readonly clock: Clock;
}

/** Limits how many callers pass per second, in order of arrival. */
export class RateLimit {
  private readonly intervalMs: number;
  /** The instant up to which the rate has been used by callers that passed. */
  private paidAt: number = LONG_AGO;

  constructor(private readonly options: RateLimitOptions) {
    this.intervalMs = 1000 / options.perSecond;
  }

  /** Resolves when it is the caller's turn, or at once on abort. Never rejects. */
  async turn(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { clock, burst } = this.options;
    const now = clock.now();
    this.paidAt = Math.max(this.paidAt, now) + this.intervalMs;
    const waitMs = this.paidAt - now - burst * this.intervalMs;
    if (waitMs > 0) await clock.sleep(waitMs, signal);
  }
}
