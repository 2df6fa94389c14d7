import { LONG_AGO, later, type MonoMs } from '@fnfleet/core';

/** A refusal older than this multiple of the longest pause is forgotten. */
const FORGET = 2;

/**
 * How long to leave a runner alone after a refusal: the pause grows with each consecutive refusal, and jitter keeps callers that
 * were refused together apart.
 */
export class BackOff {
  /** Not asked before this instant. */
  until = LONG_AGO;
  private strikes = 0;
  private forgottenAt = LONG_AGO;

  constructor(
    private readonly firstMs: number,
    private readonly maxMs: number,
  ) {}

  /** Whether a refusal still counts. */
  isActive(now: MonoMs): boolean {
    return this.strikes > 0 && now < this.forgottenAt;
  }

  /** Records a refusal. */
  strike(now: MonoMs, random: () => number): void {
    // Beyond this the pause is at its maximum anyway.
    this.strikes = this.isActive(now) ? Math.min(this.strikes + 1, 30) : 1;
    this.forgottenAt = later(now, FORGET * this.maxMs);
    this.hold(now, random);
  }

  /** An attempt is under way: for a while nobody else tries. */
  hold(now: MonoMs, random: () => number): void {
    const ms = Math.min(this.maxMs, this.firstMs * 2 ** Math.max(0, this.strikes - 1));
    this.until = later(now, ms * (0.5 + random() / 2));
  }

  /** Records success: pauses start small again. */
  ease(): void {
    this.strikes = Math.min(this.strikes, 1);
  }

  clear(): void {
    this.strikes = 0;
    this.until = LONG_AGO;
  }
}
