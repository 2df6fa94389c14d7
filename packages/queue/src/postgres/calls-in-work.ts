import type { KeptDelivery, MessageRow } from '../message-row.js';
import { CHANGING } from './schema.js';
import type { Transaction } from './transaction.js';

/** What a call occupies apart from its payload, its result and its log: rows and entries of indexes, about. */
const ROW_BYTES = 600;

/** A row of `fnfleet_mq_calls`. */
export interface CallRow extends MessageRow {
  readonly payload_bytes: number;
  readonly result_bytes: number;
  readonly log_bytes: number;
}

/** A call that a transaction has read or made, and what is to be written. */
interface CallInWork {
  /** What it occupies in the table; undefined if it is not there. */
  storedBytes: number | undefined;
  /** As it will be. */
  now: CallRow | undefined;
}

interface NewPayload {
  readonly seq: number;
  readonly head: Uint8Array;
  readonly body: Uint8Array;
}

interface NewResult extends NewPayload {
  readonly bodyBytes: number;
}

/**
 * The calls that a transaction works on. They are read with few statements before the rules are applied, and written with few
 * statements afterwards, so that the number of round trips does not depend on the number of operations.
 */
export class CallsInWork {
  private readonly byId = new Map<string, CallInWork>();
  private readonly changed = new Set<CallInWork>();
  private payloads: NewPayload[] = [];
  private droppedPayloads: number[] = [];
  private results: NewResult[] = [];
  private readonly logs = new Map<number, Uint8Array>();
  private deliveries: object[] = [];
  /** The last delivery of calls with more than are kept. */
  private readonly longHistories = new Map<number, { readonly n: number; readonly limit: number }>();
  private deleted: number[] = [];
  /** Change of what the calls occupy, by what has been written. */
  bytes = 0;
  /** The earliest instant at which something is due, by what has been written. */
  nextDue: number | undefined;
  hasWritten = false;

  constructor(private readonly transaction: Transaction) {}

  /** Reads calls, and those that may follow them. */
  async load(callIds: Iterable<string>, followUpIds: (row: CallRow) => readonly string[]): Promise<void> {
    const missing = [...new Set(callIds)].filter((id) => !this.byId.has(id));
    if (missing.length === 0) return;
    const text = 'select * from fnfleet_mq_calls where call_id = any($1::text[])';
    const rows = (await this.transaction.rows('load', text, [missing])) as unknown as CallRow[];
    for (const id of missing) this.byId.set(id, { storedBytes: undefined, now: undefined });
    await this.adopt(rows, followUpIds);
  }

  /** Rows that were read otherwise, and those that may follow them. @returns them, as they are now */
  async adopt(rows: readonly CallRow[], followUpIds: (row: CallRow) => readonly string[]): Promise<readonly CallRow[]> {
    const adopted = rows.map((row) => {
      const known = this.byId.get(row.call_id);
      if (known?.now !== undefined) return known.now;
      this.byId.set(row.call_id, { storedBytes: bytesOf(row), now: row });
      return row;
    });
    const following = adopted.flatMap((row) => (row.follow_ups === null ? [] : followUpIds(row)));
    await this.load(following, () => []);
    return adopted;
  }

  get(callId: string): CallRow | undefined {
    return this.inWork(callId).now;
  }

  /** Calls that wait although they are too old. */
  waiting(): readonly CallRow[] {
    return [...this.byId.values()].flatMap(({ now }) => (now !== undefined && now.state < 2 ? [now] : []));
  }

  put(row: CallRow): void {
    const call = this.inWork(row.call_id);
    call.now = row;
    this.changed.add(call);
  }

  add(row: CallRow, head: Uint8Array, body: Uint8Array): void {
    this.put(row);
    this.payloads.push({ seq: row.seq, head, body });
  }

  remove({ call_id, seq }: MessageRow): void {
    const call = this.inWork(call_id);
    call.now = undefined;
    this.changed.add(call);
    this.deleted.push(seq);
  }

  dropPayload(row: MessageRow): void {
    this.droppedPayloads.push(row.seq);
    this.resize(row, { payload_bytes: 0 });
  }

  addResult(row: MessageRow, head: Uint8Array, body: Uint8Array, bodyBytes: number): void {
    this.results.push({ seq: row.seq, head, body, bodyBytes });
    this.resize(row, { result_bytes: head.length + body.length });
  }

  setLog(row: MessageRow, log: Uint8Array): void {
    this.logs.set(row.seq, log);
    this.resize(row, { log_bytes: log.length });
  }

  addDelivery(row: MessageRow, n: number, { endedWall, end, reason }: KeptDelivery, limit: number | undefined): void {
    const { seq, attempt, holder, started_wall } = row;
    this.deliveries.push({ seq, n, attempt, holder, started_wall, ended_wall: endedWall, ending: end, reason });
    if (limit !== undefined) this.longHistories.set(seq, { n, limit });
  }

  /** Writes what has changed since the last time. */
  async flush(): Promise<void> {
    const { transaction } = this;
    const inserted: CallRow[] = [];
    const updated: CallRow[] = [];
    for (const call of this.changed) {
      const { now, storedBytes } = call;
      if (now !== undefined) (storedBytes === undefined ? inserted : updated).push(now);
      this.bytes += (now === undefined ? 0 : bytesOf(now)) - (storedBytes ?? 0);
      this.noteDue(now);
      call.storedBytes = now === undefined ? undefined : bytesOf(now);
    }
    if (this.changed.size > 0) this.hasWritten = true;
    this.changed.clear();
    if (inserted.length > 0) {
      const text =
        'insert into fnfleet_mq_calls select * from json_populate_recordset(null::fnfleet_mq_calls, $1::json)';
      await transaction.rows('insert', text, [JSON.stringify(inserted)]);
    }
    if (updated.length > 0) await transaction.rows('update', UPDATE, [JSON.stringify(updated)]);
    await this.flushPayloads();
    await this.flushResults();
    if (this.deliveries.length > 0) await this.flushDeliveries();
    if (this.deleted.length > 0) {
      await transaction.rows('delete', DELETE, [this.deleted]);
      this.deleted = [];
    }
  }

  private async flushPayloads(): Promise<void> {
    const { payloads, droppedPayloads, transaction } = this;
    if (payloads.length > 0) {
      const text = `insert into fnfleet_mq_payloads select seq, ${HEAD_AND_BODY} from ${SLICES}`;
      await transaction.rows('payloads', text, sliced(payloads));
      this.payloads = [];
    }
    if (droppedPayloads.length > 0) {
      const text = 'delete from fnfleet_mq_payloads where seq = any($1::bigint[])';
      await transaction.rows('drop_payloads', text, [droppedPayloads]);
      this.droppedPayloads = [];
    }
  }

  private async flushResults(): Promise<void> {
    const { results, logs, transaction } = this;
    if (results.length > 0) {
      const text = `insert into fnfleet_mq_results select seq, ${HEAD_AND_BODY}, extra from ${SLICES}`;
      await transaction.rows('results', text, sliced(results));
      this.results = [];
    }
    if (logs.size > 0) {
      const text = `insert into fnfleet_mq_logs select seq, substr($2::bytea, body_at, body_length) from ${SLICES}
        on conflict (seq) do update set log = excluded.log`;
      const head = new Uint8Array();
      await transaction.rows('logs', text, sliced([...logs].map(([seq, body]) => ({ seq, head, body }))));
      logs.clear();
    }
  }

  private async flushDeliveries(): Promise<void> {
    const { deliveries, longHistories, transaction } = this;
    const text =
      'insert into fnfleet_mq_deliveries select * from json_populate_recordset(null::fnfleet_mq_deliveries, $1::json)';
    await transaction.rows('deliveries', text, [JSON.stringify(deliveries)]);
    this.deliveries = [];
    if (longHistories.size === 0) return;
    const long = [...longHistories.values()];
    await transaction.rows('forget_deliveries', FORGET_DELIVERIES, [
      [...longHistories.keys()],
      long.map(({ n }) => n),
      long.map(({ limit }) => limit),
    ]);
    longHistories.clear();
  }

  /** The rules go on with the row that they have, so that its sizes are changed in place. */
  private resize(row: MessageRow, sizes: Partial<Pick<CallRow, 'payload_bytes' | 'result_bytes' | 'log_bytes'>>): void {
    const call = this.inWork(row.call_id);
    call.now = Object.assign(row as CallRow, sizes);
    this.changed.add(call);
  }

  private noteDue(row: CallRow | undefined): void {
    if (row === undefined || row.state > 2) return;
    const dues = [row.due, row.state < 2 ? row.expires_at : null, this.nextDue ?? null].filter((due) => due !== null);
    if (dues.length > 0) this.nextDue = Math.min(...dues);
  }

  private inWork(callId: string): CallInWork {
    const call = this.byId.get(callId);
    if (call === undefined) throw new Error(`the call ${callId} was not read`);
    return call;
  }
}

const UPDATE = `update fnfleet_mq_calls c set (${CHANGING.join(', ')}) = (${CHANGING.map((name) => `r.${name}`).join(', ')})
  from json_populate_recordset(null::fnfleet_mq_calls, $1::json) r where c.seq = r.seq`;

const DELETE = `with ${['calls', 'payloads', 'results', 'logs']
  .map((table) => `${table} as (delete from fnfleet_mq_${table} where seq = any($1::bigint[]))`)
  .join(', ')} delete from fnfleet_mq_deliveries where seq = any($1::bigint[])`;

const FORGET_DELIVERIES = `delete from fnfleet_mq_deliveries d using
  unnest($1::bigint[], $2::integer[], $3::integer[]) as w (seq, n, kept) cross join lateral (
    select n from fnfleet_mq_deliveries where seq = w.seq
    order by n = w.n desc, ending = 'givenBack', n desc offset w.kept
  ) f where d.seq = w.seq and d.n = f.n`;

/** The bytes of many rows are one value, of which each row takes its part: bytes in arrays would be encoded twice. */
const SLICES = `json_to_recordset($1::json) as s
  (seq bigint, head_at integer, head_length integer, body_at integer, body_length integer, extra bigint)`;
const HEAD_AND_BODY = 'substr($2::bytea, head_at, head_length), substr($2::bytea, body_at, body_length)';

function sliced(rows: readonly (NewPayload | NewResult)[]): [string, Buffer] {
  // The first byte of a value in Postgres has the number 1.
  let at = 1;
  const slices = rows.map((row) => {
    const { seq, head, body } = row;
    const slice = { seq, head_at: at, head_length: head.length, body_at: at + head.length, body_length: body.length };
    at += head.length + body.length;
    return { ...slice, extra: 'bodyBytes' in row ? row.bodyBytes : null };
  });
  return [JSON.stringify(slices), Buffer.concat(rows.flatMap(({ head, body }) => [head, body]))];
}

function bytesOf({ payload_bytes, result_bytes, log_bytes }: CallRow): number {
  return ROW_BYTES + payload_bytes + result_bytes + log_bytes;
}
