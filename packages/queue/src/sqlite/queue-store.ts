import { TurnoverMap } from '@fnfleet/core';
import type { QueueBounds } from '../bounds.js';
import { CallRules, type KnownKey } from '../call-rules.js';
import { FunctionEntry, functionEntry } from '../function-entry.js';
import { FunctionTable } from '../function-table.js';
import type { Delivery, Lane, Payload, ReserveRequest } from '../message-queue.js';
import {
  CANCELLED,
  DEAD,
  DELAYED,
  type KeptDelivery,
  MESSAGE_COLUMNS,
  type MessageRow,
  messageOf,
  READY,
  type RowChanges,
  RUNNING,
  SUCCESS,
} from '../message-row.js';
import type { DeadChunk, DeadProgress } from '../operations.js';
import { dueAfter, type TimeMark } from '../queue-time.js';
import { MessageRows, runsOf } from './message-rows.js';
import { IS_RESTORED, RESTORED } from './queue-copy.js';
import type { QueueFile, Row } from './queue-file.js';
import { ReadyLines } from './ready-lines.js';

/** How many rows a portion of a long task changes, so that other operations do not wait for all of it. */
const PORTION = 200;
/** How often the queue looks whether its file has too many free pages, and pause between two portions that it gives back. */
const SURPLUS_MS = 10_000;
const SHRINK_MS = 50;

/** Running calls whose rows are known without reading them. */
const MAX_KNOWN = 10_000;

const BY_CALL_ID = `select ${MESSAGE_COLUMNS} from messages where call_id = ?`;

/** The calls in the tables of a file: what is leased, what is due. */
export class QueueStore extends CallRules {
  private isShrinking = false;
  private shrinkAt = Number.NEGATIVE_INFINITY;
  /** The rows of running calls, which are needed again when these end. */
  private readonly running = new TurnoverMap<string, MessageRow>();
  /** Calls that ended in the open transaction, and whose payloads are still there. */
  private ofEnded: number[] = [];
  private readonly rows: MessageRows;

  constructor(
    private readonly file: QueueFile,
    bounds: QueueBounds,
  ) {
    super(new FunctionTable(), bounds);
    this.rows = new MessageRows(file);
    for (const row of file.all('select * from functions')) this.functions.add(functionEntry(row));
    const number = (row: Row | undefined) => Number(row?.found);
    const counted = (sql: string) => {
      for (const row of file.all(sql)) {
        const entry = this.functions.with(Number(row.fn));
        this.functions.count(entry, Number(row.state), Number(row.priority) as 0, Number(row.found));
      }
    };
    counted(
      `select ${READY} as state, fn, priority, count(*) as found from messages where state = ${READY} group by fn, priority`,
    );
    for (const state of [DELAYED, RUNNING, DEAD]) {
      counted(
        `select state, fn, priority, count(*) as found from messages where state = ${state} and due is not null group by fn, priority`,
      );
    }
    for (const state of [SUCCESS, CANCELLED]) {
      this.kept += number(
        file.one(`select count(*) as found from messages where state = ${state} and due is not null`),
      );
    }
    for (const { fn, found } of file.all('select fn, count(*) as found from keys group by fn')) {
      this.countKeys(this.functions.with(Number(fn)), Number(found));
    }
  }

  reserve(request: ReserveRequest, time: TimeMark): Delivery[] {
    const reservation = this.reservation(request, time);
    const lines = new ReadyLines(this.rows);
    const deliveries: Delivery[] = [];
    for (let next = reservation.next(); next !== undefined; next = reservation.next()) {
      const { row, payload } = lines.next(next.entry, next.priority, reservation.left);
      if (!reservation.fits(payload.head.length + payload.body.length)) break;
      deliveries.push(this.delivery(row, payload, next.entry, request, time));
    }
    this.write();
    this.mayLeaseAt(reservation.nextAt);
    return deliveries;
  }

  redrive(chunk: DeadChunk, time: TimeMark): DeadProgress {
    return this.forDead(chunk, (row) => this.becomesAlive(row, time));
  }

  purge(chunk: DeadChunk): DeadProgress {
    return this.forDead(chunk, (row) => this.forget(row));
  }

  /** Writes what has changed and is not in the table yet. Whoever reads the table otherwise than by this object calls this before. */
  write(): void {
    this.rows.flush();
  }

  /** A new process has the file: nobody could extend leases while there was none. */
  renewLeases(time: TimeMark): void {
    this.running.clear();
    this.write();
    this.file.run(`update messages set due = ? + lease_ms where state = ${RUNNING} and due is not null`, time.at);
    this.keepRestored(time);
  }

  /** Of calls that were restored from a backup, this process is the first to know how long they are kept. */
  private keepRestored(time: TimeMark): void {
    if (Number(this.file.one('pragma user_version')?.user_version) !== IS_RESTORED) return;
    this.file.run(
      `update messages set due = ? where state = ${DEAD} and reason = ?`,
      dueAfter(this.bounds.keepDeadMs, time),
      RESTORED,
    );
    this.file.run('pragma user_version = 0');
  }

  /**
   * Does a portion of what is due by now.
   * @returns whether there is more
   */
  sweep(time: TimeMark): boolean {
    this.write();
    this.deletePayloads();
    if (this.rateAllows(time)) this.functions.hasReady = true;
    const portions = [
      this.dueNow(DELAYED, time, (row) => this.becomesReady(row)),
      this.dueNow(RUNNING, time, (row) => this.leaseExpires(row, time)),
      this.tooOld(time),
      this.buryClosed(time),
      ...[SUCCESS, DEAD, CANCELLED].map((state) => this.dueNow(state, time, (row) => this.forget(row))),
      this.forgetSurplus(),
      this.forgetKeys(time),
    ];
    this.shrink(time);
    return portions.some((isFull) => isFull);
  }

  /** Not faster than others need the disk for, and never as long as something else is due. */
  private shrink(time: TimeMark): void {
    if (time.at < this.shrinkAt) return;
    this.isShrinking = this.file.shrink();
    this.shrinkAt = time.at + (this.isShrinking ? SHRINK_MS : SURPLUS_MS);
  }

  /** When something is due, apart from what can wait for the next sweep. */
  nextDue(): number | undefined {
    const dues = [
      this.rateAt,
      this.isShrinking ? this.shrinkAt : undefined,
      this.firstDue(`select min(due) as due from messages where state = ${DELAYED} and due is not null`),
      this.firstDue(`select min(due) as due from messages where state = ${RUNNING} and due is not null`),
      this.firstDue('select min(expires_at) as due from messages where state < 2 and expires_at is not null'),
    ].filter((due) => due !== undefined);
    return dues.length === 0 ? undefined : Math.min(...dues);
  }

  byCallId(callId: string): MessageRow | undefined {
    const known = this.running.get(callId);
    if (known !== undefined) return known;
    const [values] = this.rows.read(BY_CALL_ID, callId);
    return values && messageOf(values);
  }

  protected insertRow(row: Omit<MessageRow, 'seq'>, head: string, body: Uint8Array): void {
    this.file.run(
      `insert into messages (call_id, fn, priority, state, due, expires_at, max_age, policy, accepted_at, accepted_wall, follow_ups)
       values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      row.call_id,
      row.fn,
      row.priority,
      row.state,
      row.due,
      row.expires_at,
      row.max_age,
      row.policy,
      row.accepted_at,
      row.accepted_wall,
      row.follow_ups,
    );
    this.file.run('insert into payloads (seq, head, body) values (last_insert_rowid(), ?, ?)', head, body);
  }

  protected update(row: MessageRow, changes: RowChanges): MessageRow {
    // Leases, and successes of first attempts, which are the same for many.
    const isOfMany = changes.state === RUNNING || changes.state === SUCCESS;
    if (isOfMany) this.rows.changeLater(row.seq, changes);
    else this.rows.change(row.seq, changes);
    const changed = { ...row, ...changes };
    if (changed.state !== RUNNING) this.running.delete(row.call_id);
    else this.know(changed);
    return changed;
  }

  private know(row: MessageRow): void {
    this.running.set(row.call_id, row);
    if (this.running.size <= MAX_KNOWN) return;
    const [oldest] = this.running.keys();
    if (oldest !== undefined) this.running.delete(oldest);
  }

  protected deleteRow({ seq, call_id }: MessageRow): void {
    this.running.delete(call_id);
    // Its number may be given to another call.
    this.write();
    this.deletePayloads();
    for (const table of ['messages', 'payloads', 'results', 'logs', 'deliveries']) {
      this.file.run(`delete from ${table} where seq = ?`, seq);
    }
  }

  /** Together with others, because calls that were accepted one after the other often end in one transaction. */
  protected deletePayload({ seq }: MessageRow): void {
    this.ofEnded.push(seq);
  }

  private deletePayloads(): void {
    const ended = this.ofEnded;
    this.ofEnded = [];
    for (const [first, last] of runsOf(ended)) {
      this.file.run('delete from payloads where seq between ? and ?', first, last);
    }
  }

  protected keepResult({ seq }: MessageRow, head: string, body: Uint8Array, bodyBytes: number): void {
    this.file.run('insert into results (seq, head, body, body_bytes) values (?, ?, ?, ?)', seq, head, body, bodyBytes);
  }

  protected keepLog({ seq }: MessageRow, log: string): void {
    this.file.run('insert or replace into logs (seq, log) values (?, ?)', seq, log);
  }

  protected keepDelivery(
    row: MessageRow,
    n: number,
    { endedWall, end, reason }: KeptDelivery,
    limit: number | undefined,
  ): void {
    this.file.run(
      `insert into deliveries (seq, n, attempt, holder, started_wall, ended_wall, ending, reason)
       values (?, ?, ?, ?, ?, ?, ?, ?)`,
      ...[row.seq, n, row.attempt, row.holder, row.started_wall, endedWall, end, reason],
    );
    if (limit === undefined) return;
    const surplus =
      "select n from deliveries where seq = ?1 order by n = ?2 desc, ending = 'givenBack', n desc limit -1 offset ?3";
    this.file.run(`delete from deliveries where seq = ?1 and n in (${surplus})`, row.seq, n, limit);
  }

  protected newFunction(fnId: string, lane: Lane, app: string): FunctionEntry {
    this.file.run('insert into functions (fn_id, lane, app) values (?, ?, ?)', fnId, lane, app);
    const { id } = this.must('select id from functions where fn_id = ?', fnId);
    return new FunctionEntry(Number(id), fnId, lane, app);
  }

  protected saveFunction(entry: FunctionEntry): void {
    const { limits, tokens, tokensAt, closed, app } = entry;
    const { concurrency, rate } = limits;
    this.file.run(
      `update functions set concurrency = ?, rate_calls = ?, rate_ms = ?, tokens = ?, tokens_at = ?, closed = ?, app = ?
       where id = ?`,
      ...[concurrency ?? null, rate?.calls ?? null, rate?.perMs ?? null, tokens, tokensAt, closed ?? null],
      ...[app, entry.id],
    );
  }

  protected key({ id }: FunctionEntry, key: string): KnownKey | undefined {
    const row = this.file.one('select call_id, due from keys where fn = ? and key = ?', id, key);
    return row && { callId: String(row.call_id), due: Number(row.due) };
  }

  protected setKey({ id }: FunctionEntry, key: string, { callId, due }: KnownKey): void {
    this.file.run('insert or replace into keys (fn, key, call_id, due) values (?, ?, ?, ?)', id, key, callId, due);
  }

  protected get storedBytes(): number {
    return this.file.bytes;
  }

  private delivery(
    row: MessageRow,
    payload: Payload,
    entry: FunctionEntry,
    request: ReserveRequest,
    time: TimeMark,
  ): Delivery {
    const { token, attempt } = this.lease(row, entry, request, time);
    return {
      lease: { callId: row.call_id, token: String(token) },
      fnId: entry.fnId,
      attempt,
      priority: row.priority,
      ageMs: time.at - row.accepted_at,
      ...payload,
    };
  }

  private select(condition: string, ...values: readonly (string | number)[]): MessageRow[] {
    return this.rows.read(`select ${MESSAGE_COLUMNS} from messages ${condition}`, ...values).map(messageOf);
  }

  private dueNow(state: number, time: TimeMark, act: (row: MessageRow) => void): boolean {
    const rows = this.select(
      `indexed by messages_due where state = ${state} and due <= ? order by due limit ${PORTION}`,
      time.at,
    );
    for (const row of rows) act(row);
    return rows.length === PORTION;
  }

  private tooOld(time: TimeMark): boolean {
    const rows = this.select(
      `indexed by messages_expiry where state < 2 and expires_at <= ? order by expires_at limit ${PORTION}`,
      time.at,
    );
    for (const row of rows) this.diesOfAge(row, time);
    return rows.length === PORTION;
  }

  private buryClosed(time: TimeMark): boolean {
    const entry = this.functions.closedWithCalls();
    if (entry?.closed === undefined) return false;
    const rows = this.select(
      `indexed by messages_by_fn where fn = ? and call_id > ? order by call_id limit ${PORTION}`,
      entry.id,
      entry.buriedUpTo,
    );
    for (const row of rows) this.diesWithFunction(row, entry.closed, time);
    // At the end it begins again: calls may have come back meanwhile.
    entry.buriedUpTo = rows.length === PORTION ? (rows.at(-1)?.call_id ?? '') : '';
    return entry.waiting > 0;
  }

  private forgetSurplus(): boolean {
    const surplus = Math.min(PORTION, this.kept - this.bounds.maxRecords);
    if (surplus <= 0) return false;
    const state = SUCCESS;
    const rows = this.select(
      `indexed by messages_due where state = ${state} and due is not null order by due limit ?`,
      surplus,
    );
    for (const row of rows) this.forget(row);
    return rows.length === PORTION;
  }

  private forgetKeys(time: TimeMark): boolean {
    const rows = this.file.all(`select fn, key from keys where due <= ? order by due limit ${PORTION}`, time.at);
    for (const { fn, key } of rows) {
      const forgotten = this.file.run('delete from keys where fn = ? and key = ?', Number(fn), String(key));
      this.countKeys(this.functions.with(Number(fn)), -forgotten);
    }
    return rows.length === PORTION;
  }

  private forDead({ selection, after }: DeadChunk, act: (row: MessageRow) => void): DeadProgress {
    const rows = this.selectDead({ selection, after });
    for (const row of rows) act(row);
    return { changed: rows.length, after: rows.length === PORTION ? rows.at(-1)?.call_id : undefined };
  }

  private selectDead({ selection, after }: DeadChunk): MessageRow[] {
    if ('callId' in selection) {
      const row = this.byCallId(selection.callId);
      return row?.state === DEAD ? [row] : [];
    }
    const dead = `state = ${DEAD} and call_id > ? order by call_id limit ${PORTION}`;
    if ('all' in selection) return this.select(`where ${dead}`, after);
    const entry = this.functions.named(selection.fnId);
    if (entry === undefined) return [];
    return this.select(`where fn = ? and ${dead}`, entry.id, after);
  }

  private firstDue(sql: string): number | undefined {
    this.write();
    const due = this.file.one(sql)?.due;
    return due === null || due === undefined ? undefined : Number(due);
  }

  private must(sql: string, ...values: readonly (string | number)[]): Row {
    const row = this.file.one(sql, ...values);
    if (row === undefined) throw new Error(`the queue is inconsistent: no row for ${sql}`);
    return row;
  }
}

/** Functions of which nothing is known but their name, or that were deleted: otherwise they would only ever become more. */
export function forgetFunctions(file: QueueFile): void {
  file.run(`
    delete from functions where (closed is not null or (concurrency is null and rate_calls is null))
      and not exists (select 1 from messages where fn = functions.id)
      and not exists (select 1 from keys where fn = functions.id)`);
}
