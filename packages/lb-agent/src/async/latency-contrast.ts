import { LONG_AGO, later, type MonoMs } from '@fnfleet/core';

/** In one part of each period, chosen at random, no asynchronous call starts. */
const PART_MS = 50;
const PARTS = 5;
const PERIOD_MS = PARTS * PART_MS;
/** After asynchronous calls were held back or let go, until that shows. */
const SETTLE_MS = 10;
/** With fewer calls of clients in a period, nothing is held back, because there is nothing to compare. */
const MIN_CALLS = 25;
/** Periods until an effect is known, at least; and after which what is known is forgotten. */
const MIN_PERIODS = 4;
const MAX_PERIODS = 25;
/** A larger difference of a period counts as this much: a pause of the machine says nothing about asynchronous calls. */
const MAX_DIFFERENCE = 0.05;
/** What asynchronous calls may add to the latency of clients' calls. */
const TOLERANCE = 0.01;

/** When a call began. What is measured between the parts counts for none. */
export type Part = 'open' | 'held' | 'between';

export type Effect = 'none' | 'slower';

interface Sum {
  sum: number;
  count: number;
}

/**
 * Finds out by experiment whether asynchronous calls make those of clients slower: again and again it holds them back for a moment, and
 * compares the calls that begin then with others of the same quarter of a second.
 *
 * It compares means of the logarithm, so that all functions count alike, whether they take 1 ms or 1 s. How much the difference varies from
 * period to period says how far it can be relied on.
 */
export class LatencyContrast {
  private periodAt: MonoMs = LONG_AGO;
  private heldFromMs = 0;
  private calls = 0;
  private isHolding = false;
  private open: Sum = { sum: 0, count: 0 };
  private held: Sum = { sum: 0, count: 0 };
  /** Of the periods: their differences, and the squares of these. */
  private periods = 0;
  private differences = 0;
  private squares = 0;

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
    sum.sum += Math.log(Math.max(ms, 0.01));
    sum.count += 1;
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
    const { periods, differences, squares } = this;
    if (periods < MIN_PERIODS) return undefined;
    const mean = differences / periods;
    const error = Math.sqrt(Math.max(0, squares / periods - mean * mean) / (periods - 1));
    const effect = mean - error > TOLERANCE ? 'slower' : mean + error < TOLERANCE ? 'none' : undefined;
    if (effect !== undefined || periods >= MAX_PERIODS) this.forget();
    return effect;
  }

  /** Something else has changed. */
  forget(): void {
    this.periods = 0;
    this.differences = 0;
    this.squares = 0;
  }

  private turn(now: MonoMs): void {
    if (now < later(this.periodAt, PERIOD_MS)) return;
    const { open, held } = this;
    if (this.isHolding && open.count > 0 && held.count > 0) {
      const all = open.sum / open.count - held.sum / held.count;
      const difference = Math.min(MAX_DIFFERENCE, Math.max(-MAX_DIFFERENCE, all));
      this.periods += 1;
      this.differences += difference;
      this.squares += difference * difference;
    }
    const isNext = now < later(this.periodAt, 2 * PERIOD_MS);
    this.isHolding = isNext && this.calls >= MIN_CALLS;
    this.periodAt = isNext ? later(this.periodAt, PERIOD_MS) : now;
    this.heldFromMs = PART_MS * Math.floor(PARTS * this.random());
    this.calls = 0;
    this.open = { sum: 0, count: 0 };
    this.held = { sum: 0, count: 0 };
  }
}
