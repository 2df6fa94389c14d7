import { LONG_AGO, later, type MonoMs } from '@fnfleet/core';

/** A no that was the last one for so long is forgotten, as a multiple of the longest pause. */
const FORGET = 2;

/**
 * How long somebody who said no is left alone: growing with each no in a row, and never the same for two who were turned
 * away together.
 */
export class BackOff {
  /** Not asked before this moment. */
  until = LONG_AGO;
  private strikes = 0;
  private forgottenAt = LONG_AGO;

  constructor(
    private readonly firstMs: number,
    private readonly maxMs: number,
  ) {}

  /** There was a no that still counts. */
  isActive(now: MonoMs): boolean {
    return this.strikes > 0 && now < this.forgottenAt;
  }

  /** Another no. */
  strike(now: MonoMs, random: () => number): void {
    // Beyond this the pause is at its maximum anyway.
    this.strikes = this.isActive(now) ? Math.min(this.strikes + 1, 30) : 1;
    this.forgottenAt = later(now, FORGET * this.maxMs);
    this.hold(now, random);
  }

  /** One is asking again: for a while nobody else need. */
  hold(now: MonoMs, random: () => number): void {
    const ms = Math.min(this.maxMs, this.firstMs * 2 ** Math.max(0, this.strikes - 1));
    this.until = later(now, ms * (0.5 + random() / 2));
  }

  /** A yes: the pauses begin small again. */
  ease(): void {
    this.strikes = Math.min(this.strikes, 1);
  }

  clear(): void {
    this.strikes = 0;
    this.until = LONG_AGO;
  }
}
