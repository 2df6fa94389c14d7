import { epochMs } from '@fnfleet/core';
import type { CallPage, CallRecord, KeptResult, ListQuery, Payload, QueueStats } from '../message-queue.js';
import { DEAD, type MessageRow, pastDelivery, READY, recordOf, STATES } from '../message-row.js';
import type { TimeMark } from '../queue-time.js';
import type { QueueFile } from './queue-file.js';
import type { QueueStore } from './queue-store.js';

/** Rows that one page looks at: a filter that fits few calls returns a short page. */
const MAX_SCANNED = 5_000;
const MAX_PAGE = 1_000;
const TOP_FUNCTIONS = 20;

/** What is known of calls. Changes nothing. */
export class Records {
  constructor(
    private readonly file: QueueFile,
    private readonly store: QueueStore,
  ) {}

  get(callId: string): CallRecord | undefined {
    const row = this.store.byCallId(callId);
    if (row === undefined) return undefined;
    const past = this.file.all('select * from deliveries where seq = ? order by n', row.seq).map(pastDelivery);
    return recordOf(row, this.store.functions.with(row.fn).fnId, past);
  }

  payload(callId: string): Payload | undefined {
    const row = this.store.byCallId(callId);
    const found = row && this.file.one('select head, body from payloads where seq = ?', row.seq);
    return found && { head: String(found.head), body: found.body as Uint8Array };
  }

  result(callId: string): KeptResult | undefined {
    const row = this.store.byCallId(callId);
    const found = row && this.file.one('select head, body, body_bytes from results where seq = ?', row.seq);
    if (found === undefined) return undefined;
    return { head: String(found.head), body: found.body as Uint8Array, bodyBytes: Number(found.body_bytes) };
  }

  log(callId: string): string | undefined {
    const row = this.store.byCallId(callId);
    const found = row && this.file.one('select log from logs where seq = ?', row.seq);
    return found && String(found.log);
  }

  list(query: ListQuery): CallPage {
    const limit = Math.min(query.limit, MAX_PAGE);
    const rows = this.scan(query, isFiltered(query) ? MAX_SCANNED : limit);
    const calls: CallRecord[] = [];
    let last: string | undefined;
    for (const row of rows.found) {
      if (calls.length === limit) return { calls, next: last };
      last = row.call_id;
      if (fits(row, query)) calls.push(recordOf(row, this.store.functions.with(row.fn).fnId, []));
    }
    return { calls, next: rows.isAll ? undefined : last };
  }

  stats(time: TimeMark): QueueStats {
    const { functions, kept } = this.store;
    const { ready, delayed, running, dead } = functions;
    const oldest = this.file.one(
      `select accepted_at from messages indexed by messages_oldest where state = ${READY} order by seq limit 1`,
    );
    const busiest = [...functions.values()]
      .filter((entry) => entry.waiting + entry.running + entry.dead > 0)
      .sort((a, b) => b.waiting - a.waiting || b.dead - a.dead)
      .slice(0, TOP_FUNCTIONS);
    return {
      ready,
      delayed,
      running,
      dead,
      ended: kept,
      oldestAgeMs: oldest && time.at - Number(oldest.accepted_at),
      bytes: this.file.bytes,
      functions: busiest.map((entry) => ({
        fnId: entry.fnId,
        ready: entry.readyCount,
        delayed: entry.delayed,
        running: entry.running,
        dead: entry.dead,
      })),
    };
  }

  private scan(query: ListQuery, most: number): { readonly found: readonly MessageRow[]; readonly isAll: boolean } {
    const { fnId, cursor, state } = query;
    const entry = fnId === undefined ? undefined : this.store.functions.named(fnId);
    if (fnId !== undefined && entry === undefined) return { found: [], isAll: true };
    const conditions = [
      ...(entry === undefined ? [] : ['fn = ?']),
      ...(cursor === undefined ? [] : ['call_id < ?']),
      // Has an index of its own, because dead calls are few among many.
      ...(state === 'dead' ? [`state = ${DEAD}`] : []),
    ];
    const where = conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`;
    const values = [...(entry === undefined ? [] : [entry.id]), ...(cursor === undefined ? [] : [cursor])];
    const rows = this.file.all(`select * from messages ${where} order by call_id desc limit ?`, ...values, most + 1);
    return { found: rows.slice(0, most) as unknown as MessageRow[], isAll: rows.length <= most };
  }
}

function fits(row: MessageRow, { state, since, until }: ListQuery): boolean {
  if (state !== undefined && STATES[row.state] !== state) return false;
  if (since !== undefined && row.accepted_wall < epochMs(since)) return false;
  return until === undefined || row.accepted_wall < epochMs(until);
}

/** Whether rows of the scan may not fit. */
function isFiltered({ state, since, until }: ListQuery): boolean {
  return (state !== undefined && state !== 'dead') || since !== undefined || until !== undefined;
}
