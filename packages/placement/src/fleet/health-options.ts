/** When a runner is taken out for failing, and how it comes back. */
export interface HealthOptions {
  /** Failures of the platform in a row that take a runner out. 0: none is ever taken out. */
  readonly ejectFailures: number;
  /** For how long at first, milliseconds; each further time as much longer, up to ten times. */
  readonly ejectMs: number;
  /** Percent of the runners that may be out at most. One is always left. */
  readonly ejectMaxPercent: number;
  /** With fewer healthy runners than this, percent, nobody counts as out: it is the fleet that is ill, or this balancer. */
  readonly panicPercent: number;
  /** How long a newcomer gets less than its share, milliseconds. */
  readonly slowStartMs: number;
  /** How often a runner that has told nothing since is asked for its status, milliseconds. 0: never. */
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
