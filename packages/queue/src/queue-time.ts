import { type Clock, epochMs, type MonoMs } from '@fnfleet/core';

/** A longer time without a process counts as this long, because it is more likely a wall clock that was set. */
const MAX_GAP_MS = 24 * 3_600_000;
/** No duration is longer, so that all times are whole numbers that JavaScript can read: one that is not would stop the queue. 1 000 years. */
const MAX_DURATION_MS = 1_000 * 365 * 24 * 3_600_000;

/** A moment that a store has recorded in both times. */
export interface TimeMark {
  /** Time of the queue. */
  readonly at: number;
  /** What the wall clock showed then, in ms since the epoch. */
  readonly wall: number;
}

/**
 * Time as a queue keeps it, in ms. All due times in a store are of this time.
 *
 * T1  It never steps back, also not over restarts: a process continues from the last moment that the store has recorded.
 * T2  While a process runs, it advances with process time, whatever is done to the wall clock.
 * T3  Between two processes it advances by the difference of the wall clock, from none to a day: a wall clock that was set
 *     neither freezes the queue nor makes everything due. Leases stand still meanwhile, because no holder could extend them.
 *
 * It starts as the wall clock; from then on the two may differ.
 */
export class QueueTime {
  private constructor(
    private readonly clock: Clock,
    private start: number,
    private readonly startedAt: MonoMs,
  ) {}

  /** @param last undefined for a new store */
  static resume(clock: Clock, last: TimeMark | undefined): QueueTime {
    return new QueueTime(clock, resumeAt(epochMs(clock.wallNow()), last), clock.now());
  }

  /** Of a process that joins others. */
  static at(clock: Clock, now: number): QueueTime {
    return new QueueTime(clock, now, clock.now());
  }

  /** Another process is ahead. */
  atLeast(now: number): void {
    this.start += Math.max(0, now - this.now());
  }

  now(): number {
    return Math.floor(this.start + (this.clock.now() - this.startedAt));
  }

  wall(): number {
    return epochMs(this.clock.wallNow());
  }
}

/** An instant of the queue. */
export function dueAfter(ms: number, time: TimeMark): number {
  return time.at + wholeMs(ms);
}

export function wholeMs(ms: number): number {
  return Math.min(Math.ceil(ms), MAX_DURATION_MS);
}

/** T1, T3 */
function resumeAt(wall: number, last: TimeMark | undefined): number {
  if (last === undefined) return wall;
  return last.at + Math.min(Math.max(0, wall - last.wall), MAX_GAP_MS);
}
