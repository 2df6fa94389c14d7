import { LONG_AGO, later, type MonoMs } from '@fnfleet/core';
import type { AttemptOutcome } from '@fnfleet/protocol';

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

/** Limit for the length of an ejection, as a multiple of the first. */
const LONGEST = 10;

/**
 * Judges one runner by the outcomes of its calls. A full runner, or one whose functions fail, is healthy: only failures that the
 * runner itself is to blame for count against it.
 */
export class OutlierDetector {
  /** End of the current ejection. */
  ejectedUntil = LONG_AGO;
  private failures = 0;
  private ejections = 0;

  constructor(private readonly options: HealthOptions) {}

  /** @param mayEject whether the fleet can do without one more runner; called only when it matters */
  ended(outcome: AttemptOutcome, now: MonoMs, mayEject: () => boolean): void {
    const { ejectFailures, ejectMs } = this.options;
    const verdict = verdictOn(outcome);
    if (verdict === 'well') {
      this.failures = 0;
      if (now > this.ejectedUntil + ejectMs) this.ejections = 0;
    }
    if (verdict !== 'ill' || ejectFailures === 0 || now < this.ejectedUntil) return;
    this.failures += 1;
    if (this.failures < ejectFailures || !mayEject()) return;
    this.ejections = Math.min(this.ejections + 1, LONGEST);
    this.ejectedUntil = later(now, ejectMs * this.ejections);
    // It comes back on probation: the next failure ejects it again.
    this.failures = ejectFailures - 1;
  }

  clear(): void {
    this.failures = 0;
    this.ejections = 0;
    this.ejectedUntil = LONG_AGO;
  }
}

/** `unknown` says nothing about the runner: it was full, unreachable (which has its own pause), or the caller was to blame. */
function verdictOn(outcome: AttemptOutcome): 'well' | 'ill' | 'unknown' {
  if (outcome.kind === 'finished') return 'well';
  if (outcome.kind === 'refused') return 'unknown';
  if (outcome.blame === 'runner') return 'ill';
  // A failing function shows that the runner works.
  return outcome.blame === 'function' ? 'well' : 'unknown';
}

/** The initial weight of a new runner. */
const LEAST = 0.1;

/** Grows the share of a new runner from a tenth to all of it: its caches are cold, code is not compiled, images are missing. */
export class SlowStart {
  private since: MonoMs | undefined;

  constructor(private readonly lengthMs: number) {}

  begin(now: MonoMs): void {
    this.since = now;
  }

  weight(now: MonoMs): number {
    if (this.since === undefined) return 1;
    const share = (now - this.since) / this.lengthMs;
    if (share < 1) return Math.max(LEAST, share);
    this.since = undefined;
    return 1;
  }
}
