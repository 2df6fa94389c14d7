import type { Clock } from '@fnfleet/core';
import type {
  CallRecord,
  CallState,
  CancelAnswer,
  Delivery,
  Lease,
  LeaseLost,
  NewMessage,
  PushAnswer,
  ReserveRequest,
  RetryAnswer,
} from '../message-queue.js';
import { counts, DEFAULT_RETRY_POLICY, type Failure, type RetryPolicy } from '../retry-policy.js';

const DAY_MS = 24 * 3_600_000;
/** A function may have so many times as many keys as are left. */
const MAX_GREED = 8;
/** The token of a lease that no holder knows. */
const NOBODY = '';

/** What somebody who saw every request and answer knows of a call. */
interface KnownCall {
  readonly callId: string;
  readonly fnId: string;
  readonly policy: RetryPolicy;
  readonly key: string | undefined;
  readonly maxAgeMs: number | undefined;
  readonly acceptedAt: number;
  /** When its age began: acceptance, or the last redrive. */
  readonly agesSince: number;
  state: 'waiting' | 'running' | 'success' | 'dead' | 'cancelled';
  attempts: number;
  failures: number;
  /** Not delivered before: `since` plus `ms`, of the fastest time that the queue can have. */
  notBefore: { readonly since: number; readonly ms: number };
  /** The last lease. `until` is in process time. */
  lease: { readonly token: string; readonly until: number } | undefined;
  /** Has the answer to a completion been lost, or that to something else? The next look at its record settles it. */
  doubt: Doubt | undefined;
}

interface Doubt {
  readonly states: ReadonlySet<CallState>;
}

/** The store broke one of its promises. */
export class BrokenPromise extends Error {}

/**
 * The reference for every store: follows what is asked of a queue and what it answers, and throws BrokenPromise when an answer
 * cannot be. It knows nothing of how a store works. Where the contract leaves a choice, for example which call is leased
 * first, or whether a lease that is late is still good, it accepts both.
 *
 * L1  A call that was accepted is known until it has ended, and ends as it was told to.
 * L2  It is never leased while a lease of it is valid, has ended, or has to wait.
 * L3  Attempts and failures are counted, and only they, an operator or its age make it dead.
 * L4  An operation with an outdated lease is refused; one with a valid lease is not.
 * L5  A function has no more leases than its limit, and a holder no more of it than it wants.
 * L6  A function has no more idempotency keys than its share, and gets that.
 *
 * After a kill, an operation that was not answered may have taken effect or not: that is the only doubt.
 */
export class CallLedger {
  private readonly calls = new Map<string, KnownCall>();
  /** How much faster than process time the time of the queue may have been: it continues by the wall clock after a restart. */
  private skippedMs = 0;

  constructor(
    private readonly clock: Clock,
    private readonly concurrency: (fnId: string) => number,
    private readonly maxKeys = Number.POSITIVE_INFINITY,
  ) {}

  get callIds(): readonly string[] {
    return [...this.calls.keys()];
  }

  /** A process opened the store after the wall clock had been set forward by this much. */
  skip(ms: number): void {
    this.skippedMs += Math.min(DAY_MS, Math.max(0, ms));
  }

  pushed(message: NewMessage, answer: PushAnswer): void {
    const earlier = this.withKey(message);
    if (answer.duplicate) {
      const of = this.calls.get(answer.callId);
      this.must(of?.key === message.idempotencyKey && of?.fnId === message.fnId, `${answer.callId} has another key`);
      return;
    }
    this.must(earlier === undefined, `the key of ${message.callId} was already that of ${earlier?.callId}`);
    this.must(answer.callId === message.callId, `${message.callId} was answered as ${answer.callId}`);
    const certain = (call: KnownCall) => call.doubt === undefined && this.fastest() - call.acceptedAt < DAY_MS;
    this.must(this.hasRoomForKey(message, certain), `${message.fnId} has more idempotency keys than its share`);
    this.add(message, undefined);
  }

  /** The queue has no room for its key. */
  refused(message: NewMessage): void {
    const possible = () => true;
    this.must(!this.hasRoomForKey(message, possible), `${message.fnId} has fewer idempotency keys than its share`);
  }

  /** The answer was lost. */
  mayBePushed(message: NewMessage): void {
    this.add(message, { states: new Set(['ready', 'delayed']) });
  }

  /** What a reservation was answered, as a whole. */
  reserved(found: readonly Delivery[], { perFunction, held }: Pick<ReserveRequest, 'perFunction' | 'held'>): void {
    if (perFunction === undefined) return;
    for (const { fnId } of found) {
      const has = (held?.get(fnId) ?? 0) + found.filter((other) => other.fnId === fnId).length;
      this.must(has <= perFunction, `a holder that wants ${perFunction} calls of ${fnId} has ${has}`);
    }
  }

  delivered({ lease, attempt, fnId }: Delivery, leaseMs: number): void {
    const call = this.known(lease.callId);
    const { callId } = call;
    this.must(
      call.state === 'waiting' || call.state === 'running',
      `${callId} was leased after it had ended: ${call.state}`,
    );
    this.must(!this.isHeld(call), `${callId} was leased while another lease of it was valid`);
    const waited = this.fastest() - call.notBefore.since;
    this.must(waited >= call.notBefore.ms, `${callId} was leased ${call.notBefore.ms - waited} ms too early`);
    this.must(attempt === call.attempts + 1, `${callId} is in attempt ${call.attempts + 1}, not ${attempt}`);
    this.must(fnId === call.fnId, `${callId} is of ${call.fnId}, not ${fnId}`);
    call.state = 'running';
    call.attempts = attempt;
    call.lease = { token: lease.token, until: this.clock.now() + leaseMs };
    const held = [...this.calls.values()].filter((other) => other.fnId === fnId && this.isHeld(other)).length;
    this.must(held <= this.concurrency(fnId), `${fnId} has ${held} leases`);
  }

  /** The answer of a reservation was lost: any call that waited may be leased, to nobody. */
  mayBeDelivered(): void {
    for (const call of this.calls.values()) {
      if (call.state === 'waiting' || call.state === 'running') this.doubt(call.callId, ['running']);
    }
  }

  extended(lease: Lease, answer: { readonly kind: 'extended' } | LeaseLost, leaseMs: number): void {
    const call = this.judged(lease, answer);
    if (call !== undefined) call.lease = { token: lease.token, until: this.clock.now() + leaseMs };
  }

  completed(lease: Lease, answer: { readonly kind: 'completed' } | LeaseLost): void {
    const call = this.known(lease.callId);
    // The same answer again.
    if (call.state === 'success' && call.lease?.token === lease.token && answer.kind === 'completed') return;
    if (this.judged(lease, answer) !== undefined) call.state = 'success';
  }

  retried(lease: Lease, failure: Failure, answer: RetryAnswer | LeaseLost): void {
    const call = this.judged(lease, answer);
    if (call === undefined) return;
    const { policy, callId } = call;
    if (counts(failure)) call.failures += 1;
    const isLast = counts(failure) && (call.failures >= policy.attempts || !policy.retryOn.includes(failure.kind));
    if (answer.kind === 'retried') {
      this.must(!isLast, `${callId} is retried after its last attempt`);
      this.must(answer.delayMs <= policy.maxBackoffMs, `${callId} is retried after ${answer.delayMs} ms`);
      call.notBefore = { since: this.fastest(), ms: answer.delayMs };
      call.state = 'waiting';
      return;
    }
    this.must(
      isLast || this.mayBeTooOld(call),
      `${callId} is dead after ${call.failures} of ${policy.attempts} failures`,
    );
    call.state = 'dead';
  }

  givenBack(lease: Lease, answer: { readonly kind: 'givenBack' } | LeaseLost): void {
    const call = this.judged(lease, answer);
    if (call === undefined) return;
    call.state = 'waiting';
    call.attempts -= 1;
  }

  buried(lease: Lease, answer: { readonly kind: 'dead' } | LeaseLost): void {
    const call = this.judged(lease, answer);
    if (call !== undefined) call.state = 'dead';
  }

  cancelled(callId: string, answer: CancelAnswer): void {
    const call = this.known(callId);
    if (answer.kind === 'cancelled') {
      this.must(call.state === 'waiting' || call.state === 'running', `${callId} was cancelled after its end`);
      call.state = 'cancelled';
      return;
    }
    if (answer.kind === 'ended' && answer.status === 'dead' && call.state !== 'dead') this.mayHaveDied(call);
    this.must(answer.kind === 'ended' && answer.status === call.state, `${callId}: ${JSON.stringify(answer)}`);
  }

  redriven(callId: string, changed: number): void {
    const call = this.known(callId);
    if (changed > 0 && call.state !== 'dead') this.mayHaveDied(call);
    this.must(changed === (call.state === 'dead' ? 1 : 0), `${callId}: ${changed} redriven while ${call.state}`);
    if (changed === 0) return;
    const now = this.fastest();
    const notBefore = { since: now, ms: 0 };
    this.calls.set(callId, { ...call, state: 'waiting', failures: 0, agesSince: now, notBefore, lease: undefined });
  }

  /** The answer was lost: the call is as before, or in one of these states. */
  doubt(callId: string, states: readonly CallState[]): void {
    const call = this.calls.get(callId);
    if (call === undefined) return;
    call.doubt = { states: new Set([...states, ...(call.doubt?.states ?? [])]) };
  }

  /** Compares what the store knows of a call. */
  checkRecord(callId: string, record: CallRecord | undefined): void {
    const call = this.known(callId);
    const { doubt } = call;
    call.doubt = undefined;
    if (record === undefined) {
      this.must(doubt !== undefined && call.attempts === 0, `${callId} was lost`);
      this.calls.delete(callId);
      return;
    }
    if (doubt !== undefined && this.isSettledBy(record, call, doubt)) return this.settle(call, doubt, record);
    if (record.state === 'dead' && call.state !== 'dead') this.mayHaveDied(call);
    const waits = record.state === 'ready' || record.state === 'delayed';
    const state = waits ? 'waiting' : record.state;
    const isExpired = call.state === 'running' && state === 'waiting' && !this.isHeld(call);
    this.must(state === call.state || isExpired, `${callId} is ${record.state}, not ${call.state}`);
    this.must(record.attempts === call.attempts, `${callId}: ${record.attempts} attempts, not ${call.attempts}`);
    this.must(record.failures === call.failures, `${callId}: ${record.failures} failures, not ${call.failures}`);
  }

  /** Everything was run to its end: nothing may be left. */
  checkEnd(callId: string): void {
    const { state } = this.known(callId);
    this.must(state !== 'waiting' && state !== 'running', `${callId} has not ended: ${state}`);
  }

  /** L4. @returns the call if the operation took effect */
  private judged(lease: Lease, answer: { readonly kind: string }): KnownCall | undefined {
    const call = this.known(lease.callId);
    const isLast = call.state === 'running' && call.lease?.token === lease.token;
    if (answer.kind === 'leaseLost') {
      this.must(!isLast || !this.isHeld(call), `a valid lease of ${lease.callId} was refused`);
      // It waits, or has been leased to somebody whose answer was lost.
      if (isLast) call.lease = { token: NOBODY, until: this.clock.now() };
      return undefined;
    }
    this.must(isLast, `an outdated lease of ${lease.callId} was accepted`);
    return call;
  }

  /** A call that may have been given back may have died of its age since. */
  private isSettledBy({ state }: CallRecord, call: KnownCall, { states }: Doubt): boolean {
    return states.has(state) || (state === 'dead' && states.has('ready') && this.mayBeTooOld(call));
  }

  private settle(call: KnownCall, doubt: Doubt, record: CallRecord): void {
    const { callId, lease } = call;
    this.must(Math.abs(record.attempts - call.attempts) <= 1, `${callId}: ${record.attempts} attempts`);
    this.must(record.failures - call.failures <= 1, `${callId}: ${record.failures} failures`);
    call.attempts = record.attempts;
    call.failures = record.failures;
    if (record.state === 'running') {
      // By its last holder, or leased to nobody since: the last lease may still be good.
      const mayHaveLeft = call.state !== 'running' || doubt.states.has('ready');
      const token = call.state === 'running' ? (lease?.token ?? NOBODY) : NOBODY;
      if (mayHaveLeft) call.lease = { token, until: this.clock.now() };
      call.state = 'running';
    } else {
      call.state = record.state === 'ready' || record.state === 'delayed' ? 'waiting' : record.state;
    }
  }

  private mayHaveDied(call: KnownCall): void {
    this.must(this.mayBeTooOld(call) && !this.isHeld(call), `${call.callId} is dead without a reason`);
    call.state = 'dead';
  }

  private mayBeTooOld(call: KnownCall): boolean {
    return call.maxAgeMs !== undefined && this.fastest() - call.agesSince >= call.maxAgeMs;
  }

  private isHeld({ state, lease }: KnownCall): boolean {
    return state === 'running' && lease !== undefined && lease.until > this.clock.now();
  }

  private withKey({ idempotencyKey, fnId }: NewMessage): KnownCall | undefined {
    if (idempotencyKey === undefined) return undefined;
    return [...this.calls.values()].find(
      (call) =>
        call.key === idempotencyKey &&
        call.fnId === fnId &&
        call.doubt === undefined &&
        this.fastest() - call.acceptedAt < DAY_MS,
    );
  }

  private hasRoomForKey({ fnId, idempotencyKey }: NewMessage, counts: (call: KnownCall) => boolean): boolean {
    if (idempotencyKey === undefined) return true;
    const keys = new Map<string, string>();
    for (const call of this.calls.values()) {
      if (call.key !== undefined && counts(call)) keys.set(`${call.fnId} ${call.key}`, call.fnId);
    }
    const own = [...keys.values()].filter((other) => other === fnId).length;
    const left = this.maxKeys - keys.size;
    return left > 0 && own <= MAX_GREED * left;
  }

  private add(message: NewMessage, doubt: Doubt | undefined): void {
    const { callId, fnId, policy = DEFAULT_RETRY_POLICY, idempotencyKey, maxAgeMs, delayMs = 0 } = message;
    const acceptedAt = this.fastest();
    this.calls.set(callId, {
      ...{ callId, fnId, policy, key: idempotencyKey, maxAgeMs, acceptedAt, agesSince: acceptedAt, doubt },
      ...{ state: 'waiting', attempts: 0, failures: 0, lease: undefined },
      notBefore: { since: acceptedAt, ms: delayMs },
    });
  }

  private known(callId: string): KnownCall {
    const call = this.calls.get(callId);
    if (call === undefined) throw new BrokenPromise(`nobody has pushed ${callId}`);
    return call;
  }

  private fastest(): number {
    return this.clock.now() + this.skippedMs;
  }

  private must(holds: boolean, otherwise: string): void {
    if (!holds) throw new BrokenPromise(otherwise);
  }
}
