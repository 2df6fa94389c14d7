import type { Clock } from '@fnfleet/core';
import { later } from '@fnfleet/core';
import type { PostgresPool } from '@fnfleet/postgres';
import { isText } from '../bounds.js';
import { PageOfCalls } from '../call-page.js';
import type { CallPage, CallRecord, KeptResult, Lane, ListQuery, Payload } from '../message-queue.js';
import { DEAD, historyOf, type MessageRow, pastDelivery, recordOf } from '../message-row.js';
import type { Answer, LookupKind, OperationOf } from '../operations.js';
import type { TimeMark } from '../queue-time.js';
import { type Row, Transaction } from './transaction.js';

interface NamedRow extends MessageRow {
  readonly fn_id: string;
  readonly lane: Lane;
}

/** What is known of calls, as it was committed last. Waits for no transaction. */
export class PostgresRecords {
  constructor(
    private readonly pool: PostgresPool,
    private readonly clock: Clock,
    private readonly timeoutMs: number,
  ) {}

  async lookUp<K extends LookupKind>(operation: OperationOf<K>, now: TimeMark): Promise<Answer<K>> {
    const asked: OperationOf<LookupKind> = operation;
    // None can be found.
    if (asked.kind !== 'list' && !isText(asked.callId)) return undefined as Answer<K>;
    if (asked.kind === 'list' && !isText(asked.query.fnId ?? '')) return { calls: [], next: undefined } as Answer<K>;
    const client = await this.pool.connect();
    let isBroken = true;
    try {
      const answer = await this.answer(
        new Transaction(this.pool, client, later(this.clock.now(), this.timeoutMs)),
        asked,
        now,
      );
      isBroken = false;
      return answer as Answer<K>;
    } finally {
      client.release(isBroken);
    }
  }

  private answer(on: Transaction, operation: OperationOf<LookupKind>, now: TimeMark): Promise<Answer<LookupKind>> {
    switch (operation.kind) {
      case 'get':
        return record(on, operation.callId, now);
      case 'payload':
        return payload(on, operation.callId);
      case 'result':
        return result(on, operation.callId);
      case 'log':
        return log(on, operation.callId);
      case 'list':
        return list(on, operation.query);
    }
  }
}

const OF_CALL = 'join fnfleet_mq_calls c on c.seq = p.seq where c.call_id = $1';

async function record(on: Transaction, callId: string, now: TimeMark): Promise<CallRecord | undefined> {
  const text = `select c.*, f.fn_id, (select json_agg(d order by n) from fnfleet_mq_deliveries d where d.seq = c.seq) as past
    from fnfleet_mq_calls c join fnfleet_mq_functions f on f.id = c.fn where c.call_id = $1`;
  const [row] = await on.rows('get', text, [callId]);
  if (row === undefined) return undefined;
  const past = (row.past as readonly Row[] | null) ?? [];
  const call = row as unknown as MessageRow;
  return recordOf(call, String(row.fn_id), historyOf(call, past.map(pastDelivery)), now);
}

async function payload(on: Transaction, callId: string): Promise<Payload | undefined> {
  const [row] = await on.rows('payload', `select head, body from fnfleet_mq_payloads p ${OF_CALL}`, [callId]);
  return row && { head: String(row.head), body: row.body as Uint8Array };
}

async function result(on: Transaction, callId: string): Promise<KeptResult | undefined> {
  const text = `select head, body, body_bytes as size from fnfleet_mq_results p ${OF_CALL}`;
  const [row] = await on.rows('result', text, [callId]);
  return row && { head: String(row.head), body: row.body as Uint8Array, bodyBytes: Number(row.size) };
}

async function log(on: Transaction, callId: string): Promise<string | undefined> {
  const [row] = await on.rows('log', `select log from fnfleet_mq_logs p ${OF_CALL}`, [callId]);
  return row && String(row.log);
}

async function list(on: Transaction, query: ListQuery): Promise<CallPage> {
  const page = new PageOfCalls(query);
  const { fnId, cursor, state } = query;
  const values: unknown[] = [page.rows + 1];
  const value = (of: unknown) => `$${values.push(of)}`;
  const conditions = [
    ...(fnId === undefined ? [] : [`c.fn = (select id from fnfleet_mq_functions where fn_id = ${value(fnId)})`]),
    ...(cursor === undefined ? [] : [`c.call_id < ${value(cursor)}`]),
    // Has an index of its own, because dead calls are few among many.
    ...(state === 'dead' ? [`c.state = ${DEAD}`] : []),
  ];
  const where = conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`;
  const text = `select c.*, f.fn_id, f.lane from (select * from fnfleet_mq_calls c ${where} order by c.call_id desc limit $1) c
    join fnfleet_mq_functions f on f.id = c.fn order by c.call_id desc`;
  const name = `list_${[fnId, cursor].map((given) => (given === undefined ? 0 : 1)).join('')}${state === 'dead' ? 1 : 0}`;
  const rows = (await on.rows(name, text, values)) as unknown as NamedRow[];
  return page.of(rows, ({ fn_id: fnId, lane }) => ({ fnId, lane }));
}
