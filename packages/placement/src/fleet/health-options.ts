/** When a runner is ejected, and how it comes back. */
export interface HealthOptions {
  /** Consecutive platform failures that eject a runner. 0: never. */
  readonly ejectFailures: number;
  /** Duration of the first ejection, milliseconds; each further one is longer by this much, up to ten times. */
  readonly ejectMs: number;
  /** Percentage of runners that may be ejected at most. One always stays. */
  readonly ejectMaxPercent: number;
  /** Below this percentage of healthy runners, ejections are ignored: the fault is in the whole fleet, or in this balancer. */
  readonly panicPercent: number;
  /** Duration of the slow start, milliseconds. */
  readonly slowStartMs: number;
  /** How often a runner that has reported nothing is probed, milliseconds. 0: never. */
  readonly probeMs: number;
}

export const HEALTH_DEFAULTS: HealthOptions = {
  ejectFailures: 5,
  ejectMs: 10_000,
  ejectMaxPercent: 30,
  panicPercent: 50,
  slowStartMs: 10_000,
  probeMs: 5_000,
};
