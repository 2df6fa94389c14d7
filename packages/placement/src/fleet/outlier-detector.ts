import { LONG_AGO, later, type MonoMs } from '@fnfleet/core';
import type { AttemptOutcome } from '@fnfleet/protocol';
import type { HealthOptions } from './health-options.js';

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
