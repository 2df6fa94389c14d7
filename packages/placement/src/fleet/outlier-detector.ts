import { LONG_AGO, later, type MonoMs } from '@fnfleet/core';
import type { AttemptOutcome } from '@fnfleet/protocol';
import type { HealthOptions } from './health-options.js';

/** An ejection lasts at most so many times as long as the first. */
const LONGEST = 10;

/**
 * What the ends of its calls say about one runner. A runner that is full, or whose functions fail, is a healthy one: only what
 * the runner itself is to blame for counts against it.
 */
export class OutlierDetector {
  /** It is out until then. */
  ejectedUntil = LONG_AGO;
  private failures = 0;
  private ejections = 0;

  constructor(private readonly options: HealthOptions) {}

  /** @param mayEject whether the fleet can do without one more; asked only when it matters */
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
    // It comes back on probation: the next failure sends it off again.
    this.failures = ejectFailures - 1;
  }

  clear(): void {
    this.failures = 0;
    this.ejections = 0;
    this.ejectedUntil = LONG_AGO;
  }
}

/** `unknown` says nothing about the runner: full, unreachable (which has a pause of its own), or the caller's doing. */
function verdictOn(outcome: AttemptOutcome): 'well' | 'ill' | 'unknown' {
  if (outcome.kind === 'finished') return 'well';
  if (outcome.kind === 'refused') return 'unknown';
  if (outcome.blame === 'runner') return 'ill';
  // A function that failed has run, or has been tried.
  return outcome.blame === 'function' ? 'well' : 'unknown';
}
