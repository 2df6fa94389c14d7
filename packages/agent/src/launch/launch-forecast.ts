/** How much the newest observation counts. */
const WEIGHT = 0.2;
/** A call may wait for a hot container this share of the time that a launch would take. */
const PATIENCE_SHARE = 0.5;
/** A wait of this share of it is no matter at all. */
const TRIFLE_SHARE = 0.02;

/**
 * Whether another container is worth its launch. A launch costs engine and machine more than most calls do, and it is of
 * no use to a call that is served before the container is there. So the time a call will wait for the containers that
 * are hot is held against the time a launch takes; both are averages of what this function has shown so far.
 * Durations in milliseconds.
 */
export class LaunchForecast {
  private serviceMs: number | undefined;
  private launchMs: number | undefined;

  served(ms: number): void {
    this.serviceMs = average(this.serviceMs, ms);
  }

  launched(ms: number): void {
    this.launchMs = average(this.launchMs, ms);
  }

  /** How long a call may wait before a launch is tried for it, even if it should have been served by now. */
  get patienceMs(): number {
    return Math.ceil((this.launchMs ?? 0) * PATIENCE_SHARE);
  }

  /** Whether a call with so many before it can expect one of the hot containers within this time. */
  servedWithin(ms: number, callsBefore: number, hotContainers: number): boolean {
    if (hotContainers === 0 || this.serviceMs === undefined) return false;
    return ((callsBefore + 1) * this.serviceMs) / hotContainers <= ms;
  }

  /** A wait that is no reason for another container, however often it comes. */
  get trifleMs(): number {
    return (this.launchMs ?? 0) * TRIFLE_SHARE;
  }
}

function average(before: number | undefined, newest: number): number {
  return before === undefined ? newest : before + WEIGHT * (newest - before);
}
