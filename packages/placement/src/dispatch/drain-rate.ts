import { type Clock, LONG_AGO, type MonoMs } from '@fnfleet/core';

/** Half-life of the count, milliseconds. */
const HALF_LIFE_MS = 5_000;
/** Fewer calls do not allow a prediction. */
const LEAST_CALLS = 8;

/** How fast calls leave the queue for a runner: an exponentially decaying count. */
export class DrainRate {
  private weight = 0;
  private since: MonoMs | undefined;
  private at = LONG_AGO;

  constructor(private readonly clock: Pick<Clock, 'now'>) {}

  /** Counts one placed call. */
  add(): void {
    this.fade();
    this.weight += 1;
    this.since ??= this.at;
  }

  /** Calls per second; undefined until enough is known. */
  get perSecond(): number | undefined {
    this.fade();
    if (this.since === undefined || this.weight < LEAST_CALLS) return undefined;
    // The weight after this time at one call per second.
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
