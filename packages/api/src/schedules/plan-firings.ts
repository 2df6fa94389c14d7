import { later, type WallMs } from '@fnfleet/core';
import type { Schedule } from '@fnfleet/core/resources';

/** A firing that is later than this counts as missed, milliseconds: longer than another node needs to take over. */
export const LATE_MS = 60_000;
/** Maximum number of missed firings of a schedule that are caught up at once: the last ones. */
export const MAX_CAUGHT_UP = 100;
/** Late ones, at one a second. */
const MAX_LATE = LATE_MS / 1_000 + 1;
/** Enough for most schedules. To find an instant takes some 50 µs. */
const FEW = 8;

/** What a schedule does at a time at which it is due. */
export interface Firings {
  /** In ascending order. */
  readonly instants: readonly WallMs[];
  /** Whether earlier instants are left out. */
  readonly hasMissed: boolean;
  /** The first instant after now; undefined if there is none. */
  readonly next: WallMs | undefined;
}

/**
 * Decides which instants fire, from the first that has not been dealt with up to now. Late ones do. Of those that are missed, the
 * catch-up of the schedule decides; then they come first.
 */
export function planFirings(schedule: Schedule, first: WallMs, now: WallMs): Firings {
  const next = schedule.next(now);
  const second = schedule.next(first);
  const lateSince = later(now, -LATE_MS);
  const mostMissed = { none: 0, one: 1, all: MAX_CAUGHT_UP }[schedule.options.catchUp];
  const { instants, isAll } =
    second === undefined || second > now
      ? { instants: [first], isAll: true }
      : instantsUpTo(now, { schedule, first, lateSince, mostMissed });
  const missed = instants.filter((at) => at < lateSince).length;
  const left = Math.max(0, missed - mostMissed);
  return { instants: instants.slice(left), hasMissed: left > 0 || !isAll, next };
}

interface Wanted {
  readonly schedule: Schedule;
  readonly first: WallMs;
  readonly lateSince: WallMs;
  readonly mostMissed: number;
}

/** The last instants; of those that are missed, at least as many as are caught up. */
function instantsUpTo(now: WallMs, { schedule, first, lateSince, mostMissed }: Wanted) {
  for (const limit of [FEW + mostMissed, MAX_LATE + mostMissed]) {
    const last = schedule.last(now, limit);
    // The first one is an instant whatever the expression says: time zones change their rules.
    const isAll = last.length < limit || (last[0] ?? now) <= first;
    if (isAll) return { instants: [first, ...last.filter((at) => at > first)], isAll };
    if (last.filter((at) => at < lateSince).length >= mostMissed && (last[0] ?? now) < lateSince) {
      return { instants: last, isAll };
    }
  }
  return { instants: schedule.last(now, MAX_LATE + mostMissed), isAll: false };
}
