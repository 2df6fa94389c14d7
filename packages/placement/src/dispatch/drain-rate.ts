import { type Clock, LONG_AGO, type MonoMs } from '@fnfleet/core';

/** What happened longer ago counts for less than a half. Milliseconds. */
const HALF_LIFE_MS = 5_000;
/** Fewer calls say nothing about what is to be expected. */
const LEAST_CALLS = 8;

/** How fast calls get out of the queue to a runner: a count that fades. */
export class DrainRate {
  private weight = 0;
  private since: MonoMs | undefined;
  private at = LONG_AGO;

  constructor(private readonly clock: Pick<Clock, 'now'>) {}

  /** One more has been placed. */
  add(): void {
    this.fade();
    this.weight += 1;
    this.since ??= this.at;
  }

  /** Calls a second; undefined as long as too little is known. */
  get perSecond(): number | undefined {
    this.fade();
    if (this.since === undefined || this.weight < LEAST_CALLS) return undefined;
    // What the weight would be after this time if one call came each second.
    const seconds = HALF_LIFE_MS / 1000 / Math.LN2;
    const full = seconds * (1 - 2 ** ((this.since - this.at) / HALF_LIFE_MS));
    return full > 0 ? this.weight / full : undefined;
  }

  private fade(): void {
    const now = this.clock.now();
    this.weight *= 2 ** ((this.at - now) / HALF_LIFE_MS);
    this.at = now;
    if (this.weight < 0.01) this.since = undefined;
  }
}
