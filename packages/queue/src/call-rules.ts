import { randomBytes } from 'node:crypto';
import { MAX_REASON, type QueueBounds } from './bounds.js';
import type { FunctionEntry } from './function-entry.js';
import type { FunctionTable } from './function-table.js';
import type {
  CallResult,
  CallState,
  CancelAnswer,
  FunctionLimits,
  Lane,
  Lease,
  LeaseLost,
  NewMessage,
  PastDelivery,
  PushAnswer,
  QueueStats,
  Reason,
  ReserveRequest,
  RetryAnswer,
} from './message-queue.js';
import {
  CANCELLED,
  DEAD,
  DELAYED,
  type FollowUps,
  type KeptDelivery,
  type MessageRow,
  policyOf,
  READY,
  type RowChanges,
  RUNNING,
  STATES,
  SUCCESS,
} from './message-row.js';
import { dueAfter, type TimeMark, wholeMs } from './queue-time.js';
import { Reservation } from './reservation.js';
import { counts, decideRetry, type Failure, MAX_ATTEMPTS } from './retry-policy.js';
import { checkRoom, type Occupied } from './room.js';

/** How many functions the statistics name. */
const TOP_FUNCTIONS = 20;

/** An idempotency key that is known; it may have expired. */
export interface KnownKey {
  readonly callId: string;
  readonly due: number;
}

/**
 * The states of calls, and how they change, on tables of any kind. Each method is a part of a transaction; when that fails, this object is
 * of no use any more, because it counts what is in the tables.
 */
export abstract class CallRules {
  /** Calls that ended in the open transaction. */
  ended: { readonly callId: string; readonly state: CallState }[] = [];
  /** Calls that succeeded or were cancelled. */
  kept = 0;
  /** Idempotency keys that are known. */
  protected keys = 0;
  /** When a rate limit allows a lease that somebody has asked for. */
  protected rateAt: number | undefined;
  /** Tokens are unique over all processes that ever use the store. Calls that are leased together share one. */
  private readonly tokenPrefix = randomBytes(9).toString('base64url');
  private lastToken = 0;

  constructor(
    readonly functions: FunctionTable,
    protected readonly bounds: QueueBounds,
  ) {}

  abstract byCallId(callId: string): MessageRow | undefined;
  /** The row gets its number here. */
  protected abstract insertRow(row: Omit<MessageRow, 'seq'>, head: string, body: Uint8Array): void;
  /** Writes the changes. @returns the row as it is now */
  protected abstract update(row: MessageRow, changes: RowChanges): MessageRow;
  /** Removes all that is known of a call. */
  protected abstract deleteRow(row: MessageRow): void;
  protected abstract deletePayload(row: MessageRow): void;
  protected abstract keepResult(row: MessageRow, head: string, body: Uint8Array, bodyBytes: number): void;
  /** Replaces the one of an earlier attempt. */
  protected abstract keepLog(row: MessageRow, log: string): void;
  /**
   * @param n from 1
   * @param limit how many are kept, if there may be more: this one, then those that were not given back, the newest first
   */
  protected abstract keepDelivery(row: MessageRow, n: number, delivery: KeptDelivery, limit: number | undefined): void;
  protected abstract newFunction(fnId: string, lane: Lane, app: string): FunctionEntry;
  /** Its limits, its tokens or its end have changed. */
  protected abstract saveFunction(entry: FunctionEntry): void;
  protected abstract key(entry: FunctionEntry, key: string): KnownKey | undefined;
  protected abstract setKey(entry: FunctionEntry, key: string, known: KnownKey): void;
  /** What the store occupies. */
  protected abstract get storedBytes(): number;

  push(message: NewMessage, time: TimeMark): PushAnswer {
    const { callId, fnId, idempotencyKey, lane = 'calls', app = '' } = message;
    const entry = this.functions.named(fnId) ?? this.addFunction(fnId, lane, app);
    if (app !== '' && entry.app !== app) {
      this.functions.belongsTo(entry, app);
      this.saveFunction(entry);
    }
    if (message.limits !== undefined) this.limit(entry, message.limits, time);
    const known = idempotencyKey === undefined ? undefined : this.key(entry, idempotencyKey);
    if (known !== undefined && known.due > time.at) {
      return { callId: known.callId, duplicate: known.callId !== callId };
    }
    if (this.byCallId(callId) !== undefined) return { callId, duplicate: false };
    checkRoom(entry, idempotencyKey !== undefined, this.occupied, this.bounds);
    this.insert(message, entry, time);
    if (idempotencyKey !== undefined) {
      this.setKey(entry, idempotencyKey, { callId, due: dueAfter(this.bounds.keepKeyMs, time) });
      if (known === undefined) this.countKeys(entry, 1);
    }
    return { callId, duplicate: false };
  }

  extend(lease: Lease, leaseMs: number, time: TimeMark): { readonly kind: 'extended' } | LeaseLost {
    const row = this.leased(lease);
    if ('kind' in row) return row;
    this.update(row, { due: dueAfter(leaseMs, time), lease_ms: wholeMs(leaseMs) });
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
    this.keepResult(row, head.length > this.bounds.maxResultBytes ? '' : head, body, bodyBytes);
    if (log !== undefined) this.keepLog(row, log);
    this.functions.with(row.fn).rests = 0;
    const isOnly = row.deliveries === 0;
    const over = isOnly ? { ...row, deliveries: 1 } : this.deliveryEnds(row, 'completed', undefined, time);
    this.end(over, SUCCESS, undefined, time);
    return { kind: 'completed' };
  }

  retry(lease: Lease, failure: Failure, time: TimeMark): RetryAnswer | LeaseLost {
    const row = this.leased(lease);
    if ('kind' in row) return row;
    this.functions.with(row.fn).rests = 0;
    const decision = decideRetry(policyOf(row), row, failure, Math.random());
    const reason = shortened(failure);
    if (failure.log !== undefined) this.keepLog(row, failure.log);
    const isLate = row.expires_at !== null && row.expires_at <= time.at;
    const isDead = decision.kind === 'dead' || isLate;
    const over = this.deliveryEnds(row, isDead ? 'dead' : 'retried', reason, time);
    const failed = counts(failure) ? { ...over, failures: row.failures + 1 } : over;
    if (isDead) {
      this.end(failed, DEAD, reason, time);
      return { kind: 'dead', reason };
    }
    this.release(failed, decision.delayMs, time);
    return { kind: 'retried', delayMs: decision.delayMs };
  }

  giveBack(lease: Lease, restMs: number, time: TimeMark): { readonly kind: 'givenBack' } | LeaseLost {
    const row = this.leased(lease);
    if ('kind' in row) return row;
    if (restMs > 0) this.functions.with(row.fn).rest(time.at, restMs);
    const over = this.deliveryEnds(row, 'givenBack', undefined, time);
    this.release({ ...over, attempt: row.attempt - 1 }, 0, time);
    return { kind: 'givenBack' };
  }

  bury(lease: Lease, reason: Reason, time: TimeMark): { readonly kind: 'dead' } | LeaseLost {
    const row = this.leased(lease);
    if ('kind' in row) return row;
    const kept = shortened(reason);
    this.end(this.deliveryEnds(row, 'dead', kept, time), DEAD, kept, time);
    return { kind: 'dead' };
  }

  cancel(callId: string, time: TimeMark): CancelAnswer {
    const row = this.byCallId(callId);
    if (row === undefined) return { kind: 'notFound' };
    if (row.state > RUNNING) return { kind: 'ended', status: STATES[row.state] ?? 'dead' };
    const over = row.state === RUNNING ? this.deliveryEnds(row, 'cancelled', undefined, time) : row;
    this.end(over, CANCELLED, undefined, time);
    return { kind: 'cancelled' };
  }

  buryFunction(fnId: string, reason: Reason): undefined {
    const entry = this.functions.named(fnId);
    // A call that is accepted later ends when it would start.
    if (entry === undefined) return;
    this.functions.close(entry, JSON.stringify(shortened(reason)));
    this.saveFunction(entry);
  }

  configure(fnId: string, limits: FunctionLimits, time: TimeMark): undefined {
    const known = this.functions.named(fnId);
    // A function is not remembered for having no limits.
    if (known === undefined && limits.concurrency === undefined && limits.rate === undefined) return;
    this.limit(known ?? this.addFunction(fnId), limits, time);
  }

  /** @param oldest when the oldest ready call of each lane was accepted */
  statistics(oldest: Partial<Record<Lane, number | undefined>>, time: TimeMark): QueueStats {
    const age = (acceptedAt: number | undefined) => (acceptedAt === undefined ? undefined : time.at - acceptedAt);
    const { ready, delayed, running, dead } = this.functions;
    let deliveries = 0;
    for (const entry of this.functions.values()) {
      if (entry.lane === 'deliveries') deliveries += entry.waiting + entry.running;
    }
    const busiest = [...this.functions.values()]
      .filter((entry) => entry.waiting + entry.running + entry.dead > 0)
      .sort((a, b) => b.waiting - a.waiting || b.dead - a.dead)
      .slice(0, TOP_FUNCTIONS);
    return {
      ...{ ready, delayed, running, dead, deliveries, ended: this.kept, bytes: this.storedBytes },
      oldestAgeMs: age(oldest.calls),
      oldestDeliveryAgeMs: age(oldest.deliveries),
      functions: busiest.map((entry) => ({
        ...{ fnId: entry.fnId, ready: entry.readyCount, delayed: entry.delayed },
        ...{ running: entry.running, dead: entry.dead },
      })),
    };
  }

  /** What is leased in a reservation: one function after the other, as long as there is room. */
  protected reservation(request: ReserveRequest, time: TimeMark): Reservation {
    this.lastToken += 1;
    return new Reservation(request, (wants) => this.functions.round(request.lane ?? 'calls', time.at, wants));
  }

  /** A rate limit or a rest has prevented a lease. */
  protected mayLeaseAt(at: number | undefined): void {
    if (at !== undefined) this.rateAt = Math.min(this.rateAt ?? at, at);
  }

  /** Whether a lease that was prevented is possible now. */
  protected rateAllows(time: TimeMark): boolean {
    if (this.rateAt === undefined || this.rateAt > time.at) return false;
    this.rateAt = undefined;
    return true;
  }

  /** @returns the row as it is now */
  protected lease(row: MessageRow, entry: FunctionEntry, request: ReserveRequest, time: TimeMark): MessageRow {
    const leaseMs = wholeMs(request.leaseMs);
    const leased = this.update(row, {
      state: RUNNING,
      due: time.at + leaseMs,
      attempt: row.attempt + 1,
      token: `${this.tokenPrefix}-${this.lastToken}`,
      holder: request.holder,
      lease_ms: leaseMs,
      started_wall: time.wall,
    });
    this.recount(row, RUNNING);
    if (entry.limits.rate !== undefined) {
      entry.tokens -= 1;
      this.saveFunction(entry);
    }
    return leased;
  }

  protected becomesReady(row: MessageRow): void {
    this.update(row, { state: READY, due: null });
    this.recount(row, READY);
  }

  /** Q3 */
  protected leaseExpires(row: MessageRow, time: TimeMark): void {
    const reason = { code: 'leaseExpired', message: `the lease of ${row.holder} was not extended in time` };
    const over = this.deliveryEnds(row, 'leaseExpired', reason, time);
    if (row.attempt < MAX_ATTEMPTS) return this.release(over, 0, time);
    const message = `it was started ${row.attempt} times and never ended`;
    this.end(over, DEAD, { code: 'tooManyDeliveries', message }, time);
  }

  protected diesOfAge(row: MessageRow, time: TimeMark): void {
    const reason = { code: 'tooOld', message: `it had not started within ${row.max_age} ms` };
    this.end(row, DEAD, reason, time);
  }

  protected diesWithFunction(row: MessageRow, closed: string, time: TimeMark): void {
    if (row.state < RUNNING) this.end(row, DEAD, JSON.parse(closed), time);
  }

  protected becomesAlive(row: MessageRow, time: TimeMark): void {
    this.update(row, {
      ...{ state: READY, due: null, failures: 0, ended_wall: null, reason: null },
      expires_at: row.max_age === null ? null : time.at + row.max_age,
      // It must not be dead at once because of its many attempts.
      attempt: Math.max(0, Math.min(row.attempt, MAX_ATTEMPTS - 1 - policyOf(row).attempts)),
    });
    this.recount(row, READY);
  }

  protected countKeys(entry: FunctionEntry, change: number): void {
    this.keys += change;
    this.functions.countKeys(entry, change);
  }

  protected forget(row: MessageRow): void {
    this.deleteRow(row);
    this.recount(row, undefined);
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

  private get occupied(): Occupied {
    const { ready, delayed, running, dead } = this.functions;
    return { calls: ready + delayed + running + dead, keys: this.keys, bytes: this.storedBytes };
  }

  private insert(message: NewMessage, entry: FunctionEntry, time: TimeMark): void {
    const { callId, head, body, priority = 0, delayMs = 0, maxAgeMs, policy, onSuccess, onFailure } = message;
    const followUps: FollowUps | undefined =
      onSuccess === undefined && onFailure === undefined ? undefined : { success: onSuccess, failure: onFailure };
    const state = delayMs > 0 ? DELAYED : READY;
    const row = {
      ...{ call_id: callId, fn: entry.id, priority, state },
      due: delayMs > 0 ? dueAfter(delayMs, time) : null,
      expires_at: maxAgeMs === undefined ? null : dueAfter(maxAgeMs, time),
      max_age: maxAgeMs === undefined ? null : wholeMs(maxAgeMs),
      policy: policy === undefined ? null : JSON.stringify(policy),
      ...{ attempt: 0, failures: 0, deliveries: 0, token: null, holder: null, lease_ms: null },
      ...{ accepted_at: time.at, accepted_wall: time.wall, started_wall: null, ended_wall: null, reason: null },
      follow_ups: followUps === undefined ? null : JSON.stringify(followUps),
    };
    this.insertRow(row, head, body);
    this.functions.count(entry, state, priority, 1);
  }

  /** A running call becomes ready again, at once or later. */
  private release(row: MessageRow, delayMs: number, time: TimeMark): void {
    const state = delayMs > 0 ? DELAYED : READY;
    const { attempt, failures, deliveries } = row;
    const due = delayMs > 0 ? dueAfter(delayMs, time) : null;
    this.update(row, { state, due, attempt, failures, deliveries, token: null });
    this.recount(row, state);
  }

  /** A call ends: success, dead, or cancelled. */
  private end(row: MessageRow, state: number, reason: Reason | undefined, time: TimeMark): void {
    const keepMs = state === DEAD ? this.bounds.keepDeadMs : this.bounds.keepMs;
    const { failures, deliveries } = row;
    const kept = reason === undefined ? null : JSON.stringify(reason);
    const ended = this.update(row, {
      state,
      due: dueAfter(keepMs, time),
      ended_wall: time.wall,
      reason: kept,
      failures,
      deliveries,
    });
    if (state !== DEAD) this.deletePayload(ended);
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
    const callId = followUpId(row, state);
    if (this.byCallId(callId) !== undefined) return;
    const { fnId, lane, head, policy } = followUp;
    const entry = this.functions.named(fnId) ?? this.addFunction(fnId, lane, this.functions.with(row.fn).app);
    this.insert({ callId, fnId, lane, head, policy, body: new Uint8Array() }, entry, time);
  }

  /** What becomes of the call then also writes how many deliveries it has had. */
  private deliveryEnds(
    row: MessageRow,
    end: PastDelivery['end'],
    reason: Reason | undefined,
    time: TimeMark,
  ): MessageRow {
    const n = row.deliveries + 1;
    const kept = reason === undefined ? null : JSON.stringify(reason);
    const { maxHistory } = this.bounds;
    const delivery = { endedWall: time.wall, end, reason: kept };
    this.keepDelivery(row, n, delivery, n > maxHistory ? maxHistory : undefined);
    return { ...row, deliveries: n };
  }

  private recount(row: MessageRow, to: number | undefined): void {
    const entry = this.functions.with(row.fn);
    this.functions.count(entry, row.state, row.priority, -1);
    if (row.state === SUCCESS || row.state === CANCELLED) this.kept -= 1;
    if (to === undefined) return;
    this.functions.count(entry, to, row.priority, 1);
    if (to === SUCCESS || to === CANCELLED) this.kept += 1;
  }

  private addFunction(fnId: string, lane: Lane = 'calls', app = ''): FunctionEntry {
    const entry = this.newFunction(fnId, lane, app);
    this.functions.add(entry);
    return entry;
  }

  private limit(entry: FunctionEntry, limits: FunctionLimits, time: TimeMark): void {
    if (!entry.setLimits(limits, time.at)) return;
    this.saveFunction(entry);
    this.functions.hasReady = true;
  }
}

/** The id of what follows the end of a call: distinct if it is dead again after it was redriven. */
export function followUpId({ call_id, deliveries }: Pick<MessageRow, 'call_id' | 'deliveries'>, state: number): string {
  return `${call_id}.${state === SUCCESS ? 'success' : 'failure'}.${deliveries}`;
}

function shortened({ code, message }: Reason): Reason {
  return { code: code.slice(0, MAX_REASON), message: message.slice(0, MAX_REASON) };
}
