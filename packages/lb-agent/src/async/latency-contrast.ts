import { LONG_AGO, later, type MonoMs } from '@fnfleet/core';

/** In one part of each period, chosen at random, no asynchronous call starts. */
const PART_MS = 50;
const PARTS = 5;
const PERIOD_MS = PARTS * PART_MS;
/** After asynchronous calls were held back or let go, until that shows. */
const SETTLE_MS = 10;
/** With fewer calls of clients in a period, nothing is held back, because there is nothing to compare. */
const MIN_CALLS = 25;
/** After so many periods, what is more likely counts, and what is known is forgotten. */
const MAX_PERIODS = 240;
/** The share of slow calls, by a limit that follows them from period to period: by a tenth if none is slow, and by half at most. */
const SLOW = 0.02;
const FOLLOW = 0.1;
const MAX_FOLLOW = 1.5;
/** With fewer calls, too few of them are slow: then, those of several periods are counted together. */
const MIN_SLOW_CALLS = 200;

/** When a call began. What is measured between the parts counts for none. */
export type Part = 'open' | 'held' | 'between';

export type Effect = 'none' | 'slower';

/** Of the calls of a part of one period. */
interface Sums {
  logs: number;
  count: number;
}

/** How many calls of one or more periods were slow. */
interface SlowSums {
  open: number;
  openSlow: number;
  held: number;
  heldSlow: number;
}

/** How evidence is judged. */
interface Rule {
  /** The difference that asynchronous calls may make. */
  readonly tolerance: number;
  /** A larger one counts as this much: a pause of the machine says nothing about asynchronous calls. */
  readonly most: number;
  /** Differences until anything is known. */
  readonly minDifferences: number;
  /** How many standard errors more than the tolerance it has to be. */
  readonly errors: number;
}

/** The logarithm of the latency. */
const LATENCY: Rule = { tolerance: 0.01, most: 0.05, minDifferences: 4, errors: 1 };
/** The share of slow calls. It varies more, so that more is needed. */
const SLOW_SHARE: Rule = { tolerance: 0.002, most: 0.05, minDifferences: 12, errors: 1.5 };

/** Differences, each of one period, or of several with few calls. How much they vary says how far their mean can be relied on. */
class Evidence {
  count = 0;
  private sum = 0;
  private squares = 0;

  constructor(private readonly rule: Rule) {}

  add(difference: number): void {
    const { most } = this.rule;
    const bounded = Math.min(most, Math.max(-most, difference));
    this.count += 1;
    this.sum += bounded;
    this.squares += bounded * bounded;
  }

  /** Undefined if it is not known yet. @param isLast whether there will be no more: then, what is more likely */
  effect(isLast: boolean): Effect | undefined {
    const { count, sum, squares } = this;
    const { tolerance, minDifferences, errors } = this.rule;
    if (count < minDifferences) return undefined;
    const mean = sum / count;
    const error = Math.sqrt(Math.max(0, squares / count - mean * mean) / (count - 1));
    if (mean - errors * error > tolerance) return 'slower';
    return mean + (isLast ? 0 : error) <= tolerance ? 'none' : undefined;
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
  private slow = noneSlow();
  private latencies = new Evidence(LATENCY);
  private slowShares = new Evidence(SLOW_SHARE);

  /** @param isUsed whether asynchronous calls used what they may since then: without, a period says nothing about them */
  constructor(
    private readonly random: () => number,
    private readonly isUsed: (since: MonoMs) => boolean,
  ) {}

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
    const { slow } = this;
    slow[part] += 1;
    if (ms > this.slowMs) slow[part === 'open' ? 'openSlow' : 'heldSlow'] += 1;
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
    const isLast = latencies.count >= MAX_PERIODS;
    const found = [latencies.effect(isLast), slowShares.effect(isLast)];
    const effect = found.includes('slower') ? 'slower' : found.includes(undefined) ? undefined : 'none';
    if (effect !== undefined || isLast) this.forget();
    return effect;
  }

  /** Something else has changed. */
  forget(): void {
    this.latencies = new Evidence(LATENCY);
    this.slowShares = new Evidence(SLOW_SHARE);
    this.slow = noneSlow();
  }

  private turn(now: MonoMs): void {
    if (now < later(this.periodAt, PERIOD_MS)) return;
    const { open, held } = this;
    const isUsed = this.isUsed(this.periodAt);
    if (isUsed && this.isHolding && open.count > 0 && held.count > 0) {
      this.latencies.add(open.logs / open.count - held.logs / held.count);
    }
    this.countSlow(isUsed);
    const isNext = now < later(this.periodAt, 2 * PERIOD_MS);
    this.isHolding = isNext && this.calls >= MIN_CALLS;
    this.periodAt = isNext ? later(this.periodAt, PERIOD_MS) : now;
    this.heldFromMs = PART_MS * Math.floor(PARTS * this.random());
    this.calls = 0;
    this.open = noCalls();
    this.held = noCalls();
  }

  /** Of calls that had the same limit, which follows them. */
  private countSlow(isUsed: boolean): void {
    const { open, held, openSlow, heldSlow } = this.slow;
    const count = open + held;
    if (this.slowMs === 0 && count > 0) {
      this.slowMs = 2 * Math.exp((this.open.logs + this.held.logs) / count);
      this.slow = noneSlow();
    }
    if (count < MIN_SLOW_CALLS) {
      if (!isUsed) this.slow = noneSlow();
      return;
    }
    if (isUsed && open > 0 && held > 0) this.slowShares.add(openSlow / open - heldSlow / held);
    this.slowMs *= Math.min(MAX_FOLLOW, Math.exp(FOLLOW * ((openSlow + heldSlow) / count / SLOW - 1)));
    this.slow = noneSlow();
  }
}

function noCalls(): Sums {
  return { logs: 0, count: 0 };
}

function noneSlow(): SlowSums {
  return { open: 0, openSlow: 0, held: 0, heldSlow: 0 };
}
