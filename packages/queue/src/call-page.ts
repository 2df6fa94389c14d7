import { epochMs } from '@fnfleet/core';
import type { CallPage, CallRecord, Lane, ListQuery } from './message-queue.js';
import { type MessageRow, recordOf, STATES } from './message-row.js';

/** Rows that one page looks at: a filter that fits few calls returns a short page. */
const MAX_SCANNED = 5_000;
const MAX_PAGE = 1_000;

interface CalledFunction {
  readonly fnId: string;
  readonly lane: Lane;
}

/** A page of calls, made from rows in descending order of ids. Stores filter by function and cursor, and for dead calls. */
export class PageOfCalls {
  private readonly limit: number;
  /** How many rows are looked at. One more says whether there is another page. */
  readonly rows: number;

  constructor(private readonly query: ListQuery) {
    const { limit, state, lane, since, until } = query;
    this.limit = Math.min(limit, MAX_PAGE);
    // Whether rows may not fit.
    const isScanned = [lane, since, until].some((filter) => filter !== undefined);
    this.rows = isScanned || (state !== undefined && state !== 'dead') ? MAX_SCANNED : this.limit;
  }

  of<R extends MessageRow>(rows: readonly R[], functionOf: (row: R) => CalledFunction): CallPage {
    const calls: CallRecord[] = [];
    let last: string | undefined;
    for (const row of rows.slice(0, this.rows)) {
      if (calls.length === this.limit) return { calls, next: last };
      last = row.call_id;
      const { fnId, lane } = functionOf(row);
      if (this.fits(row, lane)) calls.push(recordOf(row, fnId, []));
    }
    return { calls, next: rows.length > this.rows ? last : undefined };
  }

  private fits({ state, accepted_wall }: MessageRow, lane: Lane): boolean {
    const { state: wanted, lane: wantedLane, since, until } = this.query;
    if (wantedLane !== undefined && lane !== wantedLane) return false;
    if (wanted !== undefined && STATES[state] !== wanted) return false;
    if (since !== undefined && accepted_wall < epochMs(since)) return false;
    return until === undefined || accepted_wall < epochMs(until);
  }
}
