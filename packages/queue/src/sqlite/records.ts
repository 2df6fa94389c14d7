import { PageOfCalls } from '../call-page.js';
import type { CallPage, CallRecord, KeptResult, Lane, ListQuery, Payload, QueueStats } from '../message-queue.js';
import {
  DEAD,
  historyOf,
  MESSAGE_COLUMNS,
  type MessageRow,
  messageOf,
  pastDelivery,
  READY,
  recordOf,
} from '../message-row.js';
import type { TimeMark } from '../queue-time.js';
import type { QueueFile } from './queue-file.js';
import type { QueueStore } from './queue-store.js';

/** Functions whose oldest calls are compared when the oldest one of all is in the other lane: those whose turn is next. */
const MAX_COMPARED = 200;

/** What is known of calls. Changes nothing. */
export class Records {
  constructor(
    private readonly opened: QueueFile,
    private readonly store: QueueStore,
  ) {}

  /** With all changes. */
  private get file(): QueueFile {
    this.store.write();
    return this.opened;
  }

  get(callId: string, time: TimeMark): CallRecord | undefined {
    const row = this.store.byCallId(callId);
    if (row === undefined) return undefined;
    const past = this.file.all('select * from deliveries where seq = ? order by n', row.seq).map(pastDelivery);
    return recordOf(row, this.store.functions.with(row.fn).fnId, historyOf(row, past), time);
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
    const page = new PageOfCalls(query);
    const rows = this.scan(query, page.rows + 1);
    return page.of(rows, (row) => this.store.functions.with(row.fn));
  }

  stats(time: TimeMark): QueueStats {
    return this.store.statistics({ calls: this.oldest('calls'), deliveries: this.oldest('deliveries') }, time);
  }

  /** When the oldest ready call of a lane was accepted. */
  private oldest(lane: Lane): number | undefined {
    const { functions } = this.store;
    const all = this.file.one(
      `select accepted_at, fn from messages indexed by messages_oldest where state = ${READY} order by seq limit 1`,
    );
    if (all === undefined) return undefined;
    if (functions.with(Number(all.fn)).lane === lane) return Number(all.accepted_at);
    const sql = `select accepted_at from messages indexed by messages_ready where state = ${READY} and fn = ? and priority = ? order by seq limit 1`;
    let oldest: number | undefined;
    let left = MAX_COMPARED;
    for (const { entry, priority } of functions.withReady(lane)) {
      if (left === 0) break;
      left -= 1;
      const acceptedAt = Number(this.file.one(sql, entry.id, priority)?.accepted_at);
      oldest = Math.min(oldest ?? acceptedAt, acceptedAt);
    }
    return oldest;
  }

  private scan({ fnId, cursor, state }: ListQuery, limit: number): readonly MessageRow[] {
    const entry = fnId === undefined ? undefined : this.store.functions.named(fnId);
    if (fnId !== undefined && entry === undefined) return [];
    const conditions = [
      ...(entry === undefined ? [] : ['fn = ?']),
      ...(cursor === undefined ? [] : ['call_id < ?']),
      // Has an index of its own, because dead calls are few among many.
      ...(state === 'dead' ? [`state = ${DEAD}`] : []),
    ];
    const where = conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`;
    const values = [...(entry === undefined ? [] : [entry.id]), ...(cursor === undefined ? [] : [cursor])];
    const sql = `select ${MESSAGE_COLUMNS} from messages ${where} order by call_id desc limit ?`;
    return this.file.allValues(sql, ...values, limit).map(messageOf);
  }
}
