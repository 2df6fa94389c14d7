import { randomBytes } from 'node:crypto';
import { MAX_REASON, MAX_RESERVED, MAX_RESERVED_BYTES, type QueueBounds } from '../bounds.js';
import { FunctionEntry, FunctionTable } from '../function-table.js';
import type {
  CallResult,
  CallState,
  CancelAnswer,
  DeadSelection,
  Delivery,
  FunctionLimits,
  Lane,
  Lease,
  LeaseLost,
  NewMessage,
  PastDelivery,
  PushAnswer,
  Reason,
  ReserveRequest,
  RetryAnswer,
} from '../message-queue.js';
import {
  CANCELLED,
  DEAD,
  DELAYED,
  type FollowUps,
  type MessageRow,
  messageRow,
  policyOf,
  READY,
  RUNNING,
  STATES,
  SUCCESS,
} from '../message-row.js';
import { type DeadChunk, type DeadProgress, Refusal } from '../operations.js';
import type { TimeMark } from '../queue-time.js';
import { counts, decideRetry, type Failure, MAX_ATTEMPTS } from '../retry-policy.js';
import type { QueueFile, Row } from './queue-file.js';

/** How many rows a portion of a long task changes, so that other operations do not wait for all of it. */
const PORTION = 200;

/**
 * The states of calls in the tables, and how they change. Each method is a part of a transaction that its caller opens;
 * when that fails, this object is of no use any more, because it counts what is in the tables.
 */
export class QueueStore {
  readonly functions = new FunctionTable();
  /** Calls that ended in the open transaction. */
  ended: { readonly callId: string; readonly state: CallState }[] = [];
  /** Calls that succeeded or were cancelled. */
  kept = 0;
  private keys: number;
  /** Tokens are unique over all processes that ever have the file open. */
  private readonly tokenPrefix = randomBytes(9).toString('base64url');
  private lastToken = 0;
  /** When a rate limit allows a lease that somebody has asked for. */
  private rateAt: number | undefined;

  constructor(
    private readonly file: QueueFile,
    private readonly bounds: QueueBounds,
  ) {
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
    this.keys = number(file.one('select count(*) as found from keys'));
  }

  push(message: NewMessage, time: TimeMark): PushAnswer {
    const { callId, fnId, idempotencyKey, lane = 'calls' } = message;
    const entry = this.functions.named(fnId) ?? this.addFunction(fnId, lane);
    if (message.limits !== undefined) this.limit(entry, message.limits, time);
    if (idempotencyKey !== undefined) {
      const earlier = this.keyed(entry, idempotencyKey, time);
      if (earlier !== undefined) return { callId: earlier, duplicate: earlier !== callId };
    }
    if (this.byCallId(callId) !== undefined) return { callId, duplicate: false };
    this.checkRoom(idempotencyKey);
    this.insert(message, entry, time);
    if (idempotencyKey !== undefined) this.rememberKey(entry, idempotencyKey, callId, time);
    return { callId, duplicate: false };
  }

  private insert(message: NewMessage, entry: FunctionEntry, time: TimeMark): void {
    const { callId, head, body, priority = 0, delayMs = 0, maxAgeMs, policy, onSuccess, onFailure } = message;
    const followUps: FollowUps | undefined =
      onSuccess === undefined && onFailure === undefined ? undefined : { success: onSuccess, failure: onFailure };
    const state = delayMs > 0 ? DELAYED : READY;
    this.file.run(
      `insert into messages (call_id, fn, priority, state, due, expires_at, max_age, policy, accepted_at, accepted_wall, follow_ups)
       values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      callId,
      entry.id,
      priority,
      state,
      delayMs > 0 ? time.at + Math.ceil(delayMs) : null,
      maxAgeMs === undefined ? null : time.at + Math.ceil(maxAgeMs),
      maxAgeMs === undefined ? null : Math.ceil(maxAgeMs),
      policy === undefined ? null : JSON.stringify(policy),
      time.at,
      time.wall,
      followUps === undefined ? null : JSON.stringify(followUps),
    );
    this.file.run('insert into payloads (seq, head, body) values (last_insert_rowid(), ?, ?)', head, body);
    this.functions.count(entry, state, priority, 1);
  }

  reserve(request: ReserveRequest, time: TimeMark): Delivery[] {
    const { lane = 'calls', perFunction = Number.POSITIVE_INFINITY, held } = request;
    const has = new Map<FunctionEntry, number>();
    const count = (entry: FunctionEntry) => has.get(entry) ?? held?.get(entry.fnId) ?? 0;
    const round = this.functions.round(lane, time.at, (entry) => count(entry) < perFunction);
    const limit = Math.min(request.limit, MAX_RESERVED);
    const maxBytes = Math.min(request.maxBytes ?? MAX_RESERVED_BYTES, MAX_RESERVED_BYTES);
    const deliveries: Delivery[] = [];
    let bytes = 0;
    while (deliveries.length < limit && bytes < maxBytes) {
      const next = round.next();
      if (next === undefined) break;
      const row = this.oldestReady(next.entry, next.priority);
      const { size } = this.must('select length(body) + length(head) as size from payloads where seq = ?', row.seq);
      bytes += Number(size);
      if (bytes > maxBytes && deliveries.length > 0) break;
      deliveries.push(this.lease(row, next.entry, request, time));
      has.set(next.entry, count(next.entry) + 1);
    }
    const { nextAt } = round;
    if (nextAt !== undefined) this.rateAt = Math.min(this.rateAt ?? nextAt, nextAt);
    return deliveries;
  }

  extend(lease: Lease, leaseMs: number, time: TimeMark): { readonly kind: 'extended' } | LeaseLost {
    const row = this.leased(lease);
    if ('kind' in row) return row;
    const due = time.at + Math.ceil(leaseMs);
    this.file.run('update messages set due = ?, lease_ms = ? where seq = ?', due, Math.ceil(leaseMs), row.seq);
    return { kind: 'extended' };
  }

  complete(
    lease: Lease,
    { head, body, log }: CallResult,
    bodyBytes: number,
    time: TimeMark,
  ): { readonly kind: 'completed' } | LeaseLost {
    const row = this.leased(lease);
    if ('kind' in row) return this.isCompletedBy(lease) ? { kind: 'completed' } : row;
    const { maxResultBytes } = this.bounds;
    this.file.run(
      'insert into results (seq, head, body, body_bytes) values (?, ?, ?, ?)',
      row.seq,
      head.length > maxResultBytes ? '' : head,
      body,
      bodyBytes,
    );
    this.keepLog(row, log);
    this.functions.with(row.fn).rests = 0;
    this.deliveryEnds(row, 'completed', undefined, time);
    this.end(row, SUCCESS, undefined, time);
    return { kind: 'completed' };
  }

  retry(lease: Lease, failure: Failure, time: TimeMark): RetryAnswer | LeaseLost {
    const row = this.leased(lease);
    if ('kind' in row) return row;
    this.functions.with(row.fn).rests = 0;
    const decision = decideRetry(policyOf(row), row, failure, Math.random());
    const failed = counts(failure) ? { ...row, failures: row.failures + 1 } : row;
    const reason = shortened(failure);
    this.keepLog(row, failure.log);
    const isLate = row.expires_at !== null && row.expires_at <= time.at;
    if (decision.kind === 'dead' || isLate) {
      this.deliveryEnds(row, 'dead', reason, time);
      this.end(failed, DEAD, reason, time);
      return { kind: 'dead', reason };
    }
    this.deliveryEnds(row, 'retried', reason, time);
    this.release(failed, decision.delayMs, time);
    return { kind: 'retried', delayMs: decision.delayMs };
  }

  giveBack(lease: Lease, restMs: number, time: TimeMark): { readonly kind: 'givenBack' } | LeaseLost {
    const row = this.leased(lease);
    if ('kind' in row) return row;
    if (restMs > 0) this.functions.with(row.fn).rest(time.at, restMs);
    this.deliveryEnds(row, 'givenBack', undefined, time);
    this.release({ ...row, attempt: row.attempt - 1 }, 0, time);
    return { kind: 'givenBack' };
  }

  bury(lease: Lease, reason: Reason, time: TimeMark): { readonly kind: 'dead' } | LeaseLost {
    const row = this.leased(lease);
    if ('kind' in row) return row;
    const kept = shortened(reason);
    this.deliveryEnds(row, 'dead', kept, time);
    this.end(row, DEAD, kept, time);
    return { kind: 'dead' };
  }

  cancel(callId: string, time: TimeMark): CancelAnswer {
    const row = this.byCallId(callId);
    if (row === undefined) return { kind: 'notFound' };
    if (row.state > RUNNING) return { kind: 'ended', status: STATES[row.state] ?? 'dead' };
    if (row.state === RUNNING) this.deliveryEnds(row, 'cancelled', undefined, time);
    this.end(row, CANCELLED, undefined, time);
    return { kind: 'cancelled' };
  }

  buryFunction(fnId: string, reason: Reason): undefined {
    const entry = this.functions.named(fnId) ?? this.addFunction(fnId);
    const kept = JSON.stringify(shortened(reason));
    this.file.run('update functions set closed = ? where id = ?', kept, entry.id);
    this.functions.close(entry, kept);
  }

  configure(fnId: string, limits: FunctionLimits, time: TimeMark): undefined {
    this.limit(this.functions.named(fnId) ?? this.addFunction(fnId), limits, time);
  }

  redrive(chunk: DeadChunk, time: TimeMark): DeadProgress {
    return this.forDead(chunk, (row) => {
      const expiresAt = row.max_age === null ? null : time.at + row.max_age;
      this.file.run(
        `update messages set state = ${READY}, due = null, failures = 0, attempt = min(attempt, ?), expires_at = ?,
           ended_wall = null, reason = null where seq = ?`,
        // It must not be dead at once because of its many attempts.
        MAX_ATTEMPTS - 1 - policyOf(row).attempts,
        expiresAt,
        row.seq,
      );
      this.recount(row, READY);
    });
  }

  purge(chunk: DeadChunk): DeadProgress {
    return this.forDead(chunk, (row) => this.forget(row));
  }

  /** A new process has the file: nobody could extend leases while there was none. */
  renewLeases(time: TimeMark): void {
    this.file.run(`update messages set due = ? + lease_ms where state = ${RUNNING} and due is not null`, time.at);
  }

  /**
   * Does a portion of what is due by now.
   * @returns whether there is more
   */
  sweep(time: TimeMark): boolean {
    if (this.rateAt !== undefined && this.rateAt <= time.at) {
      this.rateAt = undefined;
      this.functions.hasReady = true;
    }
    const portions = [
      this.dueNow(DELAYED, time, (row) => this.becomesReady(row)),
      this.dueNow(RUNNING, time, (row) => this.leaseExpires(row, time)),
      this.tooOld(time),
      this.buryClosed(time),
      ...[SUCCESS, DEAD, CANCELLED].map((state) => this.dueNow(state, time, (row) => this.forget(row))),
      this.forgetSurplus(),
      this.forgetKeys(time),
    ];
    return portions.some((isFull) => isFull);
  }

  /** When something is due, apart from what can wait for the next sweep. */
  nextDue(): number | undefined {
    const dues = [
      this.rateAt,
      this.firstDue(`select min(due) as due from messages where state = ${DELAYED} and due is not null`),
      this.firstDue(`select min(due) as due from messages where state = ${RUNNING} and due is not null`),
      this.firstDue('select min(expires_at) as due from messages where state < 2 and expires_at is not null'),
    ].filter((due) => due !== undefined);
    return dues.length === 0 ? undefined : Math.min(...dues);
  }

  byCallId(callId: string): MessageRow | undefined {
    return messageRow(this.file.one('select * from messages where call_id = ?', callId));
  }

  private lease(row: MessageRow, entry: FunctionEntry, request: ReserveRequest, time: TimeMark): Delivery {
    this.lastToken += 1;
    const token = `${this.tokenPrefix}-${this.lastToken}`;
    const leaseMs = Math.ceil(request.leaseMs);
    const attempt = row.attempt + 1;
    this.file.run(
      `update messages set state = ${RUNNING}, due = ?, attempt = ?, token = ?, holder = ?, lease_ms = ?, started_wall = ?
       where seq = ?`,
      time.at + leaseMs,
      attempt,
      token,
      request.holder,
      leaseMs,
      time.wall,
      row.seq,
    );
    if (entry.limits.rate !== undefined) {
      entry.tokens -= 1;
      const { tokens, tokensAt, id } = entry;
      this.file.run('update functions set tokens = ?, tokens_at = ? where id = ?', tokens, tokensAt, id);
    }
    this.recount(row, RUNNING);
    const payload = this.must('select head, body from payloads where seq = ?', row.seq);
    return {
      lease: { callId: row.call_id, token },
      fnId: entry.fnId,
      attempt,
      priority: row.priority,
      ageMs: time.at - row.accepted_at,
      head: String(payload.head),
      body: payload.body as Uint8Array,
    };
  }

  private oldestReady(entry: FunctionEntry, priority: number): MessageRow {
    const sql = `select * from messages indexed by messages_ready where state = ${READY} and fn = ? and priority = ? order by seq limit 1`;
    return this.must(sql, entry.id, priority) as unknown as MessageRow;
  }

  /** Q2 */
  private leased({ callId, token }: Lease): MessageRow | LeaseLost {
    const row = this.byCallId(callId);
    if (row === undefined) return { kind: 'leaseLost', because: 'unknown' };
    if (row.state === RUNNING && row.token === token) return row;
    if (row.state === CANCELLED) return { kind: 'leaseLost', because: 'cancelled' };
    return { kind: 'leaseLost', because: row.state > RUNNING ? 'ended' : 'expired' };
  }

  private isCompletedBy({ callId, token }: Lease): boolean {
    const row = this.byCallId(callId);
    return row?.state === SUCCESS && row.token === token;
  }

  /** A running call becomes ready again, at once or later. */
  private release(row: MessageRow, delayMs: number, time: TimeMark): void {
    const state = delayMs > 0 ? DELAYED : READY;
    this.file.run(
      'update messages set state = ?, due = ?, attempt = ?, failures = ?, token = null where seq = ?',
      state,
      delayMs > 0 ? time.at + delayMs : null,
      row.attempt,
      row.failures,
      row.seq,
    );
    this.recount(row, state);
  }

  private becomesReady(row: MessageRow): void {
    this.file.run(`update messages set state = ${READY}, due = null where seq = ?`, row.seq);
    this.recount(row, READY);
  }

  /** Q3 */
  private leaseExpires(row: MessageRow, time: TimeMark): void {
    const reason = { code: 'leaseExpired', message: `the lease of ${row.holder} was not extended in time` };
    this.deliveryEnds(row, 'leaseExpired', reason, time);
    if (row.attempt < MAX_ATTEMPTS) return this.release(row, 0, time);
    const message = `it was started ${row.attempt} times and never ended`;
    this.end(row, DEAD, { code: 'tooManyDeliveries', message }, time);
  }

  /** A call ends: success, dead, or cancelled. */
  private end(row: MessageRow, state: number, reason: Reason | undefined, time: TimeMark): void {
    const keepMs = state === DEAD ? this.bounds.keepDeadMs : this.bounds.keepMs;
    this.file.run(
      'update messages set state = ?, due = ?, ended_wall = ?, reason = ?, failures = ? where seq = ?',
      state,
      time.at + keepMs,
      time.wall,
      reason === undefined ? null : JSON.stringify(reason),
      row.failures,
      row.seq,
    );
    if (state !== DEAD) this.file.run('delete from payloads where seq = ?', row.seq);
    this.recount(row, state);
    this.follow(row, state, time);
    this.ended.push({ callId: row.call_id, state: STATES[state] ?? 'dead' });
  }

  /** In the transaction of the end, so that neither is without the other. */
  private follow(row: MessageRow, state: number, time: TimeMark): void {
    if (row.follow_ups === null || state === CANCELLED) return;
    const { success, failure }: FollowUps = JSON.parse(row.follow_ups);
    const followUp = state === SUCCESS ? success : failure;
    if (followUp === undefined) return;
    // Distinct if the call is dead again after it was redriven.
    const callId = `${row.call_id}.${state === SUCCESS ? 'success' : 'failure'}.${row.deliveries}`;
    if (this.byCallId(callId) !== undefined) return;
    const { fnId, lane, head, policy } = followUp;
    const entry = this.functions.named(fnId) ?? this.addFunction(fnId, lane);
    this.insert({ callId, fnId, lane, head, policy, body: new Uint8Array() }, entry, time);
  }

  private keepLog(row: MessageRow, log: string | undefined): void {
    if (log === undefined) return;
    this.file.run('insert or replace into logs (seq, log) values (?, ?)', row.seq, log);
  }

  private deliveryEnds(row: MessageRow, end: PastDelivery['end'], reason: Reason | undefined, time: TimeMark): void {
    const n = row.deliveries + 1;
    this.file.run('update messages set deliveries = ? where seq = ?', n, row.seq);
    this.file.run(
      `insert into deliveries (seq, n, attempt, holder, started_wall, ended_wall, ending, reason)
       values (?, ?, ?, ?, ?, ?, ?, ?)`,
      row.seq,
      n,
      row.attempt,
      row.holder,
      row.started_wall,
      time.wall,
      end,
      reason === undefined ? null : JSON.stringify(reason),
    );
    const { maxHistory } = this.bounds;
    if (n > maxHistory) this.file.run('delete from deliveries where seq = ? and n <= ?', row.seq, n - maxHistory);
  }

  private forget(row: MessageRow): void {
    for (const table of ['messages', 'payloads', 'results', 'logs', 'deliveries']) {
      this.file.run(`delete from ${table} where seq = ?`, row.seq);
    }
    this.recount(row, undefined);
  }

  private recount(row: MessageRow, to: number | undefined): void {
    const entry = this.functions.with(row.fn);
    this.functions.count(entry, row.state, row.priority, -1);
    if (row.state === SUCCESS || row.state === CANCELLED) this.kept -= 1;
    if (to === undefined) return;
    this.functions.count(entry, to, row.priority, 1);
    if (to === SUCCESS || to === CANCELLED) this.kept += 1;
  }

  private dueNow(state: number, time: TimeMark, act: (row: MessageRow) => void): boolean {
    const sql = `select * from messages indexed by messages_due where state = ${state} and due <= ? order by due limit ${PORTION}`;
    const rows = this.file.all(sql, time.at);
    for (const row of rows) act(row as unknown as MessageRow);
    return rows.length === PORTION;
  }

  private tooOld(time: TimeMark): boolean {
    const sql = `select * from messages indexed by messages_expiry where state < 2 and expires_at <= ? order by expires_at limit ${PORTION}`;
    const rows = this.file.all(sql, time.at) as unknown as MessageRow[];
    for (const row of rows) {
      const reason = { code: 'tooOld', message: `it had not started within ${row.max_age} ms` };
      this.end(row, DEAD, reason, time);
    }
    return rows.length === PORTION;
  }

  private buryClosed(time: TimeMark): boolean {
    const entry = this.functions.closedWithCalls();
    if (entry?.closed === undefined) return false;
    const sql = `select * from messages indexed by messages_by_fn where fn = ? and call_id > ? order by call_id limit ${PORTION}`;
    const rows = this.file.all(sql, entry.id, entry.buriedUpTo) as unknown as MessageRow[];
    for (const row of rows) if (row.state < RUNNING) this.end(row, DEAD, JSON.parse(entry.closed), time);
    // At the end it begins again: calls may have come back meanwhile.
    entry.buriedUpTo = rows.length === PORTION ? (rows.at(-1)?.call_id ?? '') : '';
    return entry.waiting > 0;
  }

  private forgetSurplus(): boolean {
    const surplus = Math.min(PORTION, this.kept - this.bounds.maxRecords);
    if (surplus <= 0) return false;
    const state = SUCCESS;
    const sql = `select * from messages indexed by messages_due where state = ${state} and due is not null order by due limit ?`;
    const rows = this.file.all(sql, surplus) as unknown as MessageRow[];
    for (const row of rows) this.forget(row);
    return rows.length === PORTION;
  }

  private forgetKeys(time: TimeMark): boolean {
    const rows = this.file.all(`select fn, key from keys where due <= ? order by due limit ${PORTION}`, time.at);
    for (const { fn, key } of rows) {
      this.keys -= this.file.run('delete from keys where fn = ? and key = ?', Number(fn), String(key));
    }
    return rows.length === PORTION;
  }

  private forDead({ selection, after }: DeadChunk, act: (row: MessageRow) => void): DeadProgress {
    const rows = this.selectDead(selection, after);
    for (const row of rows) act(row);
    return { changed: rows.length, after: rows.length === PORTION ? rows.at(-1)?.call_id : undefined };
  }

  private selectDead(selection: DeadSelection, after: string): MessageRow[] {
    if ('callId' in selection) {
      const row = this.byCallId(selection.callId);
      return row?.state === DEAD ? [row] : [];
    }
    const dead = `state = ${DEAD} and call_id > ? order by call_id limit ${PORTION}`;
    if ('all' in selection)
      return this.file.all(`select * from messages where ${dead}`, after) as unknown as MessageRow[];
    const entry = this.functions.named(selection.fnId);
    if (entry === undefined) return [];
    return this.file.all(`select * from messages where fn = ? and ${dead}`, entry.id, after) as unknown as MessageRow[];
  }

  private addFunction(fnId: string, lane: Lane = 'calls'): FunctionEntry {
    this.file.run('insert into functions (fn_id, lane) values (?, ?)', fnId, lane);
    const { id } = this.must('select id from functions where fn_id = ?', fnId);
    const entry = new FunctionEntry(Number(id), fnId, lane);
    this.functions.add(entry);
    return entry;
  }

  private limit(entry: FunctionEntry, limits: FunctionLimits, time: TimeMark): void {
    const { concurrency, rate } = limits;
    const known = entry.limits;
    const isSameRate = rate?.calls === known.rate?.calls && rate?.perMs === known.rate?.perMs;
    if (concurrency === known.concurrency && isSameRate) return;
    entry.limits = { concurrency, rate };
    if (!isSameRate) {
      entry.tokens = rate?.calls ?? 0;
      entry.tokensAt = time.at;
    }
    this.file.run(
      'update functions set concurrency = ?, rate_calls = ?, rate_ms = ?, tokens = ?, tokens_at = ? where id = ?',
      concurrency ?? null,
      rate?.calls ?? null,
      rate?.perMs ?? null,
      entry.tokens,
      entry.tokensAt,
      entry.id,
    );
    this.functions.hasReady = true;
  }

  private keyed(entry: FunctionEntry, key: string, time: TimeMark): string | undefined {
    const row = this.file.one('select call_id, due from keys where fn = ? and key = ?', entry.id, key);
    return row !== undefined && Number(row.due) > time.at ? String(row.call_id) : undefined;
  }

  private rememberKey(entry: FunctionEntry, key: string, callId: string, time: TimeMark): void {
    this.keys -= this.file.run('delete from keys where fn = ? and key = ?', entry.id, key);
    const due = time.at + this.bounds.keepKeyMs;
    this.file.run('insert into keys (fn, key, call_id, due) values (?, ?, ?, ?)', entry.id, key, callId, due);
    this.keys += 1;
  }

  private checkRoom(idempotencyKey: string | undefined): void {
    const { maxMessages, maxBytes, maxKeys } = this.bounds;
    const { ready, delayed, running, dead } = this.functions;
    const full = (what: string) => new Refusal('queueFull', { what });
    if (ready + delayed + running + dead >= maxMessages) throw full(`it has ${maxMessages} calls`);
    if (idempotencyKey !== undefined && this.keys >= maxKeys) throw full(`it has ${maxKeys} idempotency keys`);
    if (this.file.bytes >= maxBytes) throw full(`it has ${maxBytes} bytes`);
  }

  private firstDue(sql: string): number | undefined {
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

function functionEntry(row: Row): FunctionEntry {
  const entry = new FunctionEntry(
    Number(row.id),
    String(row.fn_id),
    row.lane === 'deliveries' ? 'deliveries' : 'calls',
  );
  const calls = row.rate_calls === null ? undefined : Number(row.rate_calls);
  entry.limits = {
    concurrency: row.concurrency === null ? undefined : Number(row.concurrency),
    rate: calls === undefined ? undefined : { calls, perMs: Number(row.rate_ms) },
  };
  entry.tokens = Number(row.tokens);
  entry.tokensAt = Number(row.tokens_at);
  entry.closed = row.closed === null ? undefined : String(row.closed);
  return entry;
}

function shortened({ code, message }: Reason): Reason {
  return { code: code.slice(0, MAX_REASON), message: message.slice(0, MAX_REASON) };
}
