import { LONG_AGO, later, type MonoMs } from '@fnfleet/core';

/** In one part of each period, chosen at random, no asynchronous call starts. */
const PART_MS = 50;
const PARTS = 5;
const PERIOD_MS = PARTS * PART_MS;
/** After asynchronous calls were held back or let go, until that shows. */
const SETTLE_MS = 10;
/** With fewer calls of clients in a period, nothing is held back, because there is nothing to compare. */
const MIN_CALLS = 25;
/** After so many periods, what is known is forgotten. */
const MAX_PERIODS = 240;
/** The share of slow calls, by a limit that follows them from period to period: by a tenth if none is slow, and by half at most. */
const SLOW = 0.02;
const FOLLOW = 0.1;
const MAX_FOLLOW = 1.5;
/** With fewer calls in a period, too few of them are slow. */
const MIN_SLOW_CALLS = 200;

/** When a call began. What is measured between the parts counts for none. */
export type Part = 'open' | 'held' | 'between';

export type Effect = 'none' | 'slower';

/** Of the calls of a part. */
interface Sums {
  logs: number;
  slow: number;
  count: number;
}

/** How evidence is judged. */
interface Rule {
  /** What asynchronous calls may add. */
  readonly tolerance: number;
  /** A larger difference of a period counts as this much: a pause of the machine says nothing about asynchronous calls. */
  readonly most: number;
  /** Periods until anything is known. */
  readonly minPeriods: number;
  /** How many standard errors more than the tolerance it has to be. */
  readonly errors: number;
}

/** The logarithm of the latency. */
const LATENCY: Rule = { tolerance: 0.01, most: 0.05, minPeriods: 4, errors: 1 };
/** The share of slow calls. It varies more, so that more is needed. */
const SLOW_SHARE: Rule = { tolerance: 0.002, most: 0.05, minPeriods: 12, errors: 1.5 };

/** A difference of each period. How much it varies says how far its mean can be relied on. */
class Evidence {
  periods = 0;
  private sum = 0;
  private squares = 0;

  constructor(private readonly rule: Rule) {}

  add(difference: number): void {
    const { most } = this.rule;
    const bounded = Math.min(most, Math.max(-most, difference));
    this.periods += 1;
    this.sum += bounded;
    this.squares += bounded * bounded;
  }

  /** Undefined if it is not known yet. */
  effect(): Effect | undefined {
    const { periods, sum, squares } = this;
    const { tolerance, minPeriods, errors } = this.rule;
    if (periods < minPeriods) return undefined;
    const mean = sum / periods;
    const error = Math.sqrt(Math.max(0, squares / periods - mean * mean) / (periods - 1));
    if (mean - errors * error > tolerance) return 'slower';
    return mean + error < tolerance ? 'none' : undefined;
  }
}

/**
 * Finds out by experiment whether asynchronous calls make those of clients slower: again and again it holds them back for a moment, and
 * compares the calls that begin then with others of the same quarter of a second.
 *
 * It compares means of the logarithm, so that all functions count alike, whether they take 1 ms or 1 s; and how many are slow, because few
 * that wait for long are seen in a p99, and not in a mean.
 */
export class LatencyContrast {
  private periodAt: MonoMs = LONG_AGO;
  private heldFromMs = 0;
  private calls = 0;
  private isHolding = false;
  private open = noCalls();
  private held = noCalls();
  /** From how long on a call is slow; 0 if that is not known. */
  private slowMs = 0;
  private latencies = new Evidence(LATENCY);
  private slowShares = new Evidence(SLOW_SHARE);

  constructor(private readonly random: () => number) {}

  /** A call begins. */
  begin(now: MonoMs): Part {
    this.turn(now);
    this.calls += 1;
    const atMs = now - this.periodAt;
    const sinceHeld = atMs - this.heldFromMs;
    if (sinceHeld < 0) return this.heldFromMs < PART_MS || atMs >= SETTLE_MS ? 'open' : 'between';
    if (sinceHeld >= PART_MS) return sinceHeld < PART_MS + SETTLE_MS ? 'between' : 'open';
    return sinceHeld < SETTLE_MS ? 'between' : 'held';
  }

  /** A call has ended that took so long. */
  ended(part: Part, ms: number): void {
    if (part === 'between') return;
    const sum = part === 'open' ? this.open : this.held;
    sum.logs += Math.log(Math.max(ms, 0.01));
    sum.count += 1;
    if (ms > this.slowMs) sum.slow += 1;
  }

  /** For how long no asynchronous call may start; 0 if one may. */
  heldMs(now: MonoMs): number {
    this.turn(now);
    if (!this.isHolding) return 0;
    const sinceHeld = now - this.periodAt - this.heldFromMs;
    return sinceHeld < 0 ? 0 : Math.max(0, PART_MS - sinceHeld);
  }

  /** Whether there are enough calls of clients for a comparison. */
  get isPossible(): boolean {
    return this.isHolding;
  }

  /** Undefined if it is not known yet. What led to an answer is forgotten. */
  effect(): Effect | undefined {
    const { latencies, slowShares } = this;
    const found = slowShares.periods === 0 ? [latencies.effect()] : [latencies.effect(), slowShares.effect()];
    const effect = found.includes('slower') ? 'slower' : found.includes(undefined) ? undefined : 'none';
    if (effect !== undefined || latencies.periods >= MAX_PERIODS) this.forget();
    return effect;
  }

  /** Something else has changed. */
  forget(): void {
    this.latencies = new Evidence(LATENCY);
    this.slowShares = new Evidence(SLOW_SHARE);
  }

  private turn(now: MonoMs): void {
    if (now < later(this.periodAt, PERIOD_MS)) return;
    const { open, held } = this;
    if (this.isHolding && open.count > 0 && held.count > 0) {
      this.latencies.add(open.logs / open.count - held.logs / held.count);
      const isEnough = open.count + held.count >= MIN_SLOW_CALLS && this.slowMs > 0;
      if (isEnough) this.slowShares.add(open.slow / open.count - held.slow / held.count);
    }
    this.follow();
    const isNext = now < later(this.periodAt, 2 * PERIOD_MS);
    this.isHolding = isNext && this.calls >= MIN_CALLS;
    this.periodAt = isNext ? later(this.periodAt, PERIOD_MS) : now;
    this.heldFromMs = PART_MS * Math.floor(PARTS * this.random());
    this.calls = 0;
    this.open = noCalls();
    this.held = noCalls();
  }

  /** After a period, so that the same limit is for all of its calls. */
  private follow(): void {
    const { open, held } = this;
    const count = open.count + held.count;
    if (count === 0) return;
    const share = (open.slow + held.slow) / count;
    if (this.slowMs === 0) this.slowMs = 2 * Math.exp((open.logs + held.logs) / count);
    else this.slowMs *= Math.min(MAX_FOLLOW, Math.exp(FOLLOW * (share / SLOW - 1)));
  }
}

function noCalls(): Sums {
  return { logs: 0, slow: 0, count: 0 };
}
