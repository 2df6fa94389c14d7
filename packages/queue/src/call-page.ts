import { epochMs } from '@fnfleet/core';
import type { CallPage, CallRecord, ListQuery } from './message-queue.js';
import { type MessageRow, recordOf, STATES } from './message-row.js';

/** Rows that one page looks at: a filter that fits few calls returns a short page. */
const MAX_SCANNED = 5_000;
const MAX_PAGE = 1_000;

/** A page of calls, made from rows in descending order of ids. Stores filter by function and cursor, and for dead calls. */
export class PageOfCalls {
  private readonly limit: number;
  /** How many rows are looked at. One more says whether there is another page. */
  readonly rows: number;

  constructor(private readonly query: ListQuery) {
    const { limit, state, since, until } = query;
    this.limit = Math.min(limit, MAX_PAGE);
    // Whether rows may not fit.
    const isFiltered = (state !== undefined && state !== 'dead') || since !== undefined || until !== undefined;
    this.rows = isFiltered ? MAX_SCANNED : this.limit;
  }

  of<R extends MessageRow>(rows: readonly R[], fnIdOf: (row: R) => string): CallPage {
    const calls: CallRecord[] = [];
    let last: string | undefined;
    for (const row of rows.slice(0, this.rows)) {
      if (calls.length === this.limit) return { calls, next: last };
      last = row.call_id;
      if (this.fits(row)) calls.push(recordOf(row, fnIdOf(row), []));
    }
    return { calls, next: rows.length > this.rows ? last : undefined };
  }

  private fits({ state, accepted_wall }: MessageRow): boolean {
    const { state: wanted, since, until } = this.query;
    if (wanted !== undefined && STATES[state] !== wanted) return false;
    if (since !== undefined && accepted_wall < epochMs(since)) return false;
    return until === undefined || accepted_wall < epochMs(until);
  }
}
