import type { QueueBounds } from '../bounds.js';
import { CallRules, followUpId, type KnownKey } from '../call-rules.js';
import { FunctionEntry } from '../function-entry.js';
import type { DeadSelection, Delivery, Lane, Priority, QueueStats, ReserveRequest } from '../message-queue.js';
import {
  CANCELLED,
  DEAD,
  DELAYED,
  type KeptDelivery,
  type MessageRow,
  READY,
  type RowChanges,
  RUNNING,
  SUCCESS,
} from '../message-row.js';
import type { DeadChunk, DeadProgress } from '../operations.js';
import type { TimeMark } from '../queue-time.js';
import type { Reservation } from '../reservation.js';
import { type CallRow, CallsInWork } from './calls-in-work.js';
import type { QueueState } from './queue-state.js';
import { SharedFunctions } from './shared-functions.js';
import type { Row, Transaction } from './transaction.js';

/** How many rows a portion of a long task changes, so that other operations do not wait for all of it. */
const PORTION = 200;
/** Ended calls that are due are forgotten this often, in milliseconds. */
const FORGET_MS = 30_000;

/** A call that a reservation may lease. */
interface Pick {
  readonly entry: FunctionEntry;
  readonly priority: Priority;
}

/**
 * The calls in the tables of a database that several nodes share. The rules work on what was read before; an object of this class lives as
 * long as what it knows of functions is right, over many transactions.
 */
export class PostgresStore extends CallRules {
  declare readonly functions: SharedFunctions;
  private calls: CallsInWork | undefined;
  private state: QueueState | undefined;
  private readonly knownKeys = new Map<string, KnownKey>();
  private newKeys: object[] = [];
  /** The last batch whose changes of functions are known. */
  private batch = -1;
  private epoch = -1;
  private bytesBefore = 0;
  private hasMore = false;
  private forgotAt = Number.NEGATIVE_INFINITY;

  constructor(bounds: QueueBounds) {
    super(new SharedFunctions(), bounds);
  }

  /** Whether it knows nothing that is wrong now. */
  knows({ epoch }: QueueState): boolean {
    return this.batch === -1 || this.epoch === epoch;
  }

  /** A transaction has begun. */
  async begin(transaction: Transaction, state: QueueState): Promise<void> {
    this.calls = new CallsInWork(transaction);
    this.state = state;
    this.ended = [];
    this.kept = state.kept;
    this.keys = state.keys;
    this.bytesBefore = state.bytes;
    this.knownKeys.clear();
    if (this.batch !== state.batch) await this.functions.catchUp(transaction, this.batch);
    this.batch = state.batch;
    this.epoch = state.epoch;
  }

  /** Reads what operations need. */
  async load(
    transaction: Transaction,
    callIds: readonly string[],
    keys: readonly { readonly fnId: string; readonly key: string }[],
  ): Promise<void> {
    await this.work.load(callIds, followUps);
    const known = keys.flatMap(({ fnId, key }) => {
      const entry = this.functions.named(fnId);
      return entry === undefined ? [] : [{ fn: entry.id, key }];
    });
    if (known.length === 0) return;
    const text = `select k.fn, k.key, k.call_id, k.due from fnfleet_mq_keys k
      join unnest($1::bigint[], $2::text[]) as w (fn, key) on k.fn = w.fn and k.key = w.key`;
    const values = [known.map(({ fn }) => fn), known.map(({ key }) => key)];
    for (const row of await transaction.rows('keys', text, values)) {
      this.knownKeys.set(`${row.fn} ${row.key}`, { callId: String(row.call_id), due: Number(row.due) });
    }
  }

  /** The changes of a batch must have been flushed. */
  async reserve(
    transaction: Transaction,
    requests: readonly ReserveRequest[],
    time: TimeMark,
  ): Promise<readonly (readonly Delivery[])[]> {
    const plans = requests.map((request) => {
      const reservation = this.reservation(request, time);
      return { request, reservation, picks: this.plan(reservation) };
    });
    for (const { reservation, picks } of plans) {
      this.mayLeaseAt(reservation.nextAt);
      this.undo(picks);
    }
    const ready = await this.oldestReady(
      transaction,
      plans.flatMap(({ picks }) => picks),
    );
    const leased = plans.map(({ request, reservation, picks }) => {
      const rows: CallRow[] = [];
      for (const { entry, priority } of picks) {
        const oldest = ready.get(`${entry.id} ${priority}`) ?? [];
        const [row] = oldest;
        if (row === undefined)
          throw new Error(`the queue is inconsistent: ${entry.fnId} has fewer ready calls than counted`);
        if (!reservation.fits(row.payload_bytes)) {
          // Others may have been promised what is left.
          this.functions.hasReady = true;
          break;
        }
        oldest.shift();
        rows.push(this.leasedRow(row, entry, request, time));
      }
      return rows;
    });
    await this.flush(transaction);
    const payloads = await payloadsOf(transaction, leased.flat());
    return leased.map((rows) => rows.map((row) => this.delivery(row, payloads.get(row.seq), time)));
  }

  /** Finds which functions are in turn, as if their calls were leased. */
  private plan(reservation: Reservation): readonly Pick[] {
    const picks: Pick[] = [];
    for (let next = reservation.next(); next !== undefined; next = reservation.next()) {
      const { entry, priority } = next;
      this.functions.count(entry, READY, priority, -1);
      this.functions.count(entry, RUNNING, priority, 1);
      if (entry.limits.rate !== undefined) entry.tokens -= 1;
      picks.push(next);
    }
    return picks;
  }

  private undo(picks: readonly Pick[]): void {
    const { hasReady } = this.functions;
    for (const { entry, priority } of picks) {
      this.functions.count(entry, READY, priority, 1);
      this.functions.count(entry, RUNNING, priority, -1);
      if (entry.limits.rate !== undefined) entry.tokens += 1;
    }
    this.functions.hasReady = hasReady;
  }

  /** As many of each function as were picked, the oldest first. */
  private async oldestReady(transaction: Transaction, picks: readonly Pick[]): Promise<Map<string, CallRow[]>> {
    const wanted = new Map<string, { readonly fn: number; readonly priority: number; count: number }>();
    for (const { entry, priority } of picks) {
      const name = `${entry.id} ${priority}`;
      const known = wanted.get(name) ?? { fn: entry.id, priority, count: 0 };
      known.count += 1;
      wanted.set(name, known);
    }
    const ready = new Map<string, CallRow[]>();
    if (wanted.size === 0) return ready;
    const text = `select c.* from unnest($1::bigint[], $2::smallint[], $3::integer[]) as w (fn, priority, count)
      cross join lateral (select * from fnfleet_mq_calls where state = ${READY} and fn = w.fn and priority = w.priority
        order by seq limit w.count) c`;
    const all = [...wanted.values()];
    const values = [all.map(({ fn }) => fn), all.map(({ priority }) => priority), all.map(({ count }) => count)];
    const rows = (await transaction.rows('ready', text, values)) as unknown as CallRow[];
    for (const row of await this.work.adopt(rows, followUps)) {
      const name = `${row.fn} ${row.priority}`;
      const found = ready.get(name) ?? [];
      found.push(row);
      ready.set(name, found);
    }
    return ready;
  }

  private leasedRow(row: CallRow, entry: FunctionEntry, request: ReserveRequest, time: TimeMark): CallRow {
    const leased = this.lease(row, entry, request, time);
    this.open.turn += 1;
    this.functions.leased(entry, this.open.turn);
    return leased as CallRow;
  }

  private delivery(row: CallRow, payload: Row | undefined, time: TimeMark): Delivery {
    if (payload === undefined) throw new Error(`the queue is inconsistent: ${row.call_id} has no payload`);
    return {
      lease: { callId: row.call_id, token: String(row.token) },
      fnId: this.functions.with(row.fn).fnId,
      attempt: row.attempt,
      priority: row.priority,
      ageMs: time.at - row.accepted_at,
      head: String(payload.head),
      body: payload.body as Uint8Array,
    };
  }

  redrive(transaction: Transaction, chunk: DeadChunk, time: TimeMark): Promise<DeadProgress> {
    return this.forDead(transaction, chunk, (row) => this.becomesAlive(row, time));
  }

  purge(transaction: Transaction, chunk: DeadChunk): Promise<DeadProgress> {
    return this.forDead(transaction, chunk, (row) => this.forget(row));
  }

  /** Nobody could extend leases for some time. */
  async renewLeases(transaction: Transaction, time: TimeMark): Promise<void> {
    const text = `update fnfleet_mq_calls set due = greatest(due, $1::bigint + lease_ms) where state = ${RUNNING} and due is not null`;
    await transaction.rows('renew', text, [time.at]);
  }

  /** Removes functions of which nothing is known but their name, or that were deleted: otherwise they would only ever become more. */
  async forgetFunctions(transaction: Transaction): Promise<boolean> {
    const removed = await transaction.rows(
      'forget_functions',
      `delete from fnfleet_mq_functions f where (closed is not null or (concurrency is null and rate_calls is null))
         and not exists (select 1 from fnfleet_mq_calls where fn = f.id)
         and not exists (select 1 from fnfleet_mq_keys where fn = f.id) returning id`,
    );
    return removed.length > 0;
  }

  /**
   * Does a portion of what is due by now. The changes of a batch must have been flushed.
   * @param thoroughly whether ended calls and keys are forgotten, which can wait
   */
  async sweep(transaction: Transaction, time: TimeMark, thoroughly: boolean): Promise<void> {
    if (this.rateAllows(time)) this.functions.hasReady = true;
    this.dieOfAge(time);
    const { nextDue = Number.POSITIVE_INFINITY } = this.open;
    const isDue = Math.min(nextDue, this.work.nextDue ?? nextDue) <= time.at;
    const forgets = this.hasMore || (thoroughly && time.at >= this.forgotAt + FORGET_MS);
    const surplus = Math.min(PORTION, this.kept - this.bounds.maxRecords);
    const isClosing = this.functions.closedWithCalls() !== undefined;
    if (!isDue && !forgets && !isClosing && surplus <= 0) return;
    this.hasMore = false;
    if (isDue || forgets) await this.sweepDue(transaction, time);
    if (isClosing) await this.buryClosed(transaction, time);
    if (forgets) await this.forgetEnded(transaction, time);
    if (surplus > 0) await this.forgetSurplus(transaction, surplus);
    await this.flush(transaction);
    if (!isDue) return;
    this.open.nextDue = await firstDue(transaction);
    this.work.nextDue = undefined;
  }

  /** When something is due, apart from what can wait for the next sweep. */
  nextDue(time: TimeMark): number | undefined {
    if (this.hasMore) return time.at;
    const dues = [this.rateAt, this.open.nextDue].filter((due) => due !== undefined);
    return dues.length === 0 ? undefined : Math.min(...dues);
  }

  /** Writes what has changed since the last time. */
  async flush(transaction: Transaction): Promise<void> {
    await this.work.flush();
    if (this.newKeys.length === 0) return;
    const text = `insert into fnfleet_mq_keys select * from json_populate_recordset(null::fnfleet_mq_keys, $1::json)
      on conflict (fn, key) do update set call_id = excluded.call_id, due = excluded.due`;
    await transaction.rows('set_keys', text, [JSON.stringify(this.newKeys)]);
    this.newKeys = [];
  }

  /** Completes the state of the queue. @returns whether anything has changed */
  async finish(transaction: Transaction): Promise<boolean> {
    await this.flush(transaction);
    const state = this.open;
    const work = this.work;
    const functionsChanged = await this.functions.flush(transaction, state.batch + 1);
    const isChange = functionsChanged || work.hasWritten || state.keys !== this.keys;
    state.kept = this.kept;
    state.keys = this.keys;
    state.bytes = this.storedBytes;
    if (work.nextDue !== undefined) state.nextDue = Math.min(state.nextDue ?? work.nextDue, work.nextDue);
    return isChange;
  }

  /** The transaction was committed with this batch. */
  committed(batch: number): void {
    this.batch = batch;
  }

  async stats(transaction: Transaction, time: TimeMark): Promise<QueueStats> {
    const ready = [...this.functions.withReady('calls'), ...this.functions.withReady('deliveries')];
    const text = `select w.lane, min(c.accepted_at) as oldest
      from unnest($1::bigint[], $2::smallint[], $3::text[]) as w (fn, priority, lane)
      cross join lateral (select accepted_at from fnfleet_mq_calls where state = ${READY} and fn = w.fn
        and priority = w.priority order by seq limit 1) c group by w.lane`;
    const values = [
      ready.map(({ entry }) => entry.id),
      ready.map(({ priority }) => priority),
      ready.map(({ entry }) => entry.lane),
    ];
    const rows = ready.length === 0 ? [] : await transaction.rows('oldest', text, values);
    return this.statistics(Object.fromEntries(rows.map(({ lane, oldest }) => [lane, Number(oldest)])), time);
  }

  byCallId(callId: string): MessageRow | undefined {
    return this.work.get(callId);
  }

  protected insertRow(row: Omit<MessageRow, 'seq'>, head: string, body: Uint8Array): void {
    const state = this.open;
    state.lastSeq += 1;
    const encoded = Buffer.from(head);
    const sizes = { payload_bytes: encoded.length + body.length, result_bytes: 0, log_bytes: 0 };
    this.work.add({ ...row, seq: state.lastSeq, ...sizes }, encoded, body);
  }

  protected update(row: MessageRow, changes: RowChanges): MessageRow {
    const now = { ...(row as CallRow), ...changes };
    this.work.put(now);
    return now;
  }

  protected deleteRow(row: MessageRow): void {
    this.work.remove(row);
  }

  protected deletePayload(row: MessageRow): void {
    this.work.dropPayload(row);
  }

  protected keepResult(row: MessageRow, head: string, body: Uint8Array, bodyBytes: number): void {
    this.work.addResult(row, Buffer.from(head), body, bodyBytes);
  }

  protected keepLog(row: MessageRow, log: string): void {
    this.work.setLog(row, Buffer.from(log));
  }

  protected keepDelivery(row: MessageRow, n: number, delivery: KeptDelivery, limit: number | undefined): void {
    this.work.addDelivery(row, n, delivery, limit);
  }

  protected newFunction(fnId: string, lane: Lane, app: string): FunctionEntry {
    const state = this.open;
    state.lastFn += 1;
    const entry = new FunctionEntry(state.lastFn, fnId, lane, app);
    this.functions.insert(entry);
    return entry;
  }

  protected saveFunction(entry: FunctionEntry): void {
    this.functions.touch(entry);
  }

  protected key({ id }: FunctionEntry, key: string): KnownKey | undefined {
    return this.knownKeys.get(`${id} ${key}`);
  }

  protected setKey({ id }: FunctionEntry, key: string, known: KnownKey): void {
    this.knownKeys.set(`${id} ${key}`, known);
    this.newKeys.push({ fn: id, key, call_id: known.callId, due: known.due });
  }

  protected get storedBytes(): number {
    return this.bytesBefore + this.work.bytes;
  }

  private get work(): CallsInWork {
    if (this.calls === undefined) throw new Error('no transaction is open');
    return this.calls;
  }

  private get open(): QueueState {
    if (this.state === undefined) throw new Error('no transaction is open');
    return this.state;
  }

  /** Calls of this transaction that wait again although they are too old. */
  private dieOfAge(time: TimeMark): void {
    for (const row of this.work.waiting()) {
      if (row.expires_at !== null && row.expires_at <= time.at) this.diesOfAge(row, time);
    }
  }

  private async sweepDue(transaction: Transaction, time: TimeMark): Promise<void> {
    await this.flush(transaction);
    const due = (state: number) =>
      `(select * from fnfleet_mq_calls where state = ${state} and due <= $1 order by due, seq limit ${PORTION})`;
    const text = `${due(DELAYED)} union all ${due(RUNNING)} union all (select * from fnfleet_mq_calls
      where state < 2 and expires_at <= $1 order by expires_at limit ${PORTION})`;
    const rows = (await transaction.rows('due', text, [time.at])) as unknown as CallRow[];
    this.hasMore ||= rows.length >= PORTION;
    for (const { call_id } of await this.work.adopt(rows, followUps)) {
      const row = this.work.get(call_id);
      if (row?.due === null || row === undefined || row.due > time.at) continue;
      if (row.state === DELAYED) this.becomesReady(row);
      if (row.state === RUNNING) this.leaseExpires(row, time);
    }
    this.dieOfAge(time);
  }

  private async buryClosed(transaction: Transaction, time: TimeMark): Promise<void> {
    const entry = this.functions.closedWithCalls();
    if (entry?.closed === undefined) return;
    await this.flush(transaction);
    const text = `select * from fnfleet_mq_calls where fn = $1 and call_id > $2 order by call_id limit ${PORTION}`;
    const found = (await transaction.rows('of_function', text, [entry.id, entry.buriedUpTo])) as unknown as CallRow[];
    const rows = await this.work.adopt(found, followUps);
    for (const row of rows) this.diesWithFunction(row, entry.closed, time);
    // At the end it begins again: calls may have come back meanwhile.
    entry.buriedUpTo = rows.length === PORTION ? (rows.at(-1)?.call_id ?? '') : '';
    this.hasMore ||= entry.waiting > 0;
  }

  private async forgetEnded(transaction: Transaction, time: TimeMark): Promise<void> {
    await this.flush(transaction);
    this.forgotAt = time.at;
    const due = (state: number) =>
      `(select * from fnfleet_mq_calls where state = ${state} and due <= $1 order by due, seq limit ${PORTION})`;
    const text = [SUCCESS, DEAD, CANCELLED].map(due).join(' union all ');
    const rows = (await transaction.rows('ended', text, [time.at])) as unknown as CallRow[];
    for (const row of await this.work.adopt(rows, () => [])) this.forget(row);
    const keys = `delete from fnfleet_mq_keys k using (select fn, key from fnfleet_mq_keys where due <= $1 order by due
      limit ${PORTION}) d where k.fn = d.fn and k.key = d.key returning k.fn`;
    const forgotten = await transaction.rows('forget_keys', keys, [time.at]);
    for (const { fn } of forgotten) this.countKeys(this.functions.with(Number(fn)), -1);
    this.hasMore ||= rows.length >= PORTION || forgotten.length === PORTION;
  }

  private async forgetSurplus(transaction: Transaction, surplus: number): Promise<void> {
    await this.flush(transaction);
    const text = `select * from fnfleet_mq_calls where state = ${SUCCESS} and due is not null order by due, seq limit $1`;
    const rows = (await transaction.rows('surplus', text, [surplus])) as unknown as CallRow[];
    for (const row of await this.work.adopt(rows, () => [])) this.forget(row);
    this.hasMore ||= rows.length === PORTION;
  }

  private async forDead(
    transaction: Transaction,
    { selection, after }: DeadChunk,
    act: (row: MessageRow) => void,
  ): Promise<DeadProgress> {
    await this.flush(transaction);
    const found = await this.selectDead(transaction, selection, after);
    const rows = await this.work.adopt(found, followUps);
    for (const row of rows) act(row);
    return { changed: rows.length, after: rows.length === PORTION ? rows.at(-1)?.call_id : undefined };
  }

  private async selectDead(transaction: Transaction, selection: DeadSelection, after: string): Promise<CallRow[]> {
    const dead = (name: string, condition: string, values: readonly unknown[]) =>
      transaction.rows(
        name,
        `select * from fnfleet_mq_calls where state = ${DEAD} and ${condition} order by call_id limit ${PORTION}`,
        values,
      ) as Promise<unknown> as Promise<CallRow[]>;
    if ('callId' in selection) return await dead('dead', 'call_id = $1', [selection.callId]);
    if ('all' in selection) return await dead('all_dead', 'call_id > $1', [after]);
    const entry = this.functions.named(selection.fnId);
    return entry === undefined ? [] : await dead('dead_of', 'fn = $1 and call_id > $2', [entry.id, after]);
  }
}

/** Of what may follow a call when it ends in this transaction. */
function followUps({ call_id, deliveries }: CallRow): readonly string[] {
  return [deliveries, deliveries + 1].flatMap((n) =>
    [SUCCESS, DEAD].map((state) => followUpId({ call_id, deliveries: n }, state)),
  );
}

async function firstDue(transaction: Transaction): Promise<number | undefined> {
  const text = `select least(
    (select min(due) from fnfleet_mq_calls where state = ${DELAYED} and due is not null),
    (select min(due) from fnfleet_mq_calls where state = ${RUNNING} and due is not null),
    (select min(expires_at) from fnfleet_mq_calls where state < 2 and expires_at is not null)) as due`;
  const [row] = await transaction.rows('first_due', text);
  return row === undefined || row.due === null ? undefined : Number(row.due);
}

/** By number of the call. */
async function payloadsOf(transaction: Transaction, calls: readonly CallRow[]): Promise<Map<number, Row>> {
  if (calls.length === 0) return new Map();
  const text = `select w.seq, p.head, p.body from unnest($1::bigint[]) as w (seq)
    join fnfleet_mq_payloads p on p.seq = w.seq`;
  const seqs = calls.map(({ seq }) => seq);
  const rows = await transaction.rows('payloads_of', text, [seqs]);
  return new Map(rows.map((row) => [Number(row.seq), row]));
}
