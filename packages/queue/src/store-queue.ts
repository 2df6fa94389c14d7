import {
  CancelledError,
  type Clock,
  Deferred,
  FnError,
  Listeners,
  type Logger,
  later,
  type MonoMs,
  Once,
  type Timer,
  TurnoverSet,
} from '@fnfleet/core';
import { isText, MAX_TEXT, type QueueBounds } from './bounds.js';
import { firstBytes } from './first-bytes.js';
import { GroupCommit, type QueueThread } from './group-commit.js';
import type {
  CallPage,
  CallRecord,
  CallResult,
  CancelAnswer,
  DeadSelection,
  Delivery,
  FunctionLimits,
  KeptResult,
  Lane,
  Lease,
  ListQuery,
  MessageQueue,
  NewMessage,
  Payload,
  PushAnswer,
  QueueEvent,
  QueueStats,
  Reason,
  ReserveRequest,
} from './message-queue.js';
import type { Answer, BatchAnswer, LookupKind, OperationKind, OperationOf } from './operations.js';
import type { QueueTime } from './queue-time.js';
import type { Failure } from './retry-policy.js';

/** The time is recorded at least this often, so that a restart knows how long it took. */
const MARK_MS = 60_000;
/** Minimum time between two looks at what is due, so that many that are due one after the other share a transaction. */
const MIN_TICK_MS = 5;

/** What a queue is made of. */
export interface StoreQueueParts {
  /** Executes batches. */
  readonly thread: QueueThread;
  readonly time: QueueTime;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly maxWaiting: number;
  readonly maxWaitingBytes: number;
  readonly translate: ConstructorParameters<typeof GroupCommit>[0]['translate'];
  readonly bounds: QueueBounds;
  readonly logger: Logger;
  /** What others have changed is seen at least this often, if there are others. Milliseconds; a minute by default. */
  readonly tickMs?: number;
  /** Answers lookups without a transaction of their own, if the store can. */
  readonly lookUp?: <K extends LookupKind>(operation: OperationOf<K>) => Promise<Answer<K>>;
}

/** A reservation that has found no calls, or none that it wants. */
interface Waiter {
  readonly woken: Deferred<void>;
  /** The ready moments at which it has looked. */
  readonly seen: number;
}

/**
 * A queue on a store that executes operations in batches. Reservations wait here, and what is due is done in time; all else is the
 * store's.
 */
export class StoreQueue implements MessageQueue {
  private readonly commits: GroupCommit;
  private readonly listeners = new Listeners<[QueueEvent]>();
  /** Reservations that wait for calls, the longest first. */
  private readonly waiters: Readonly<Record<Lane, TurnoverSet<Waiter>>> = {
    calls: new TurnoverSet(),
    deliveries: new TurnoverSet(),
  };
  /** Counts moments at which calls may have become ready. */
  private readyMoments = 0;
  private ticker: Timer | undefined;
  private tickAt = Number.POSITIVE_INFINITY;
  private isClosed = false;
  private readonly closing = new Once(() => this.end());

  constructor(private readonly parts: StoreQueueParts) {
    this.commits = new GroupCommit({ ...parts, onCommit: (answer) => this.onCommit(answer) });
  }

  /** Renews the leases of earlier processes. */
  async resume(): Promise<void> {
    await this.commits.order({ kind: 'resume' });
  }

  /** Looks at what is due from now on. */
  start(): void {
    this.tickWhen(undefined);
  }

  async push(message: NewMessage): Promise<PushAnswer> {
    const { head, idempotencyKey = '', onSuccess, onFailure } = message;
    const { maxBodyBytes, maxHeadBytes } = this.parts.bounds;
    checkText('call id', message.callId);
    checkText('function id', message.fnId);
    checkText('app', message.app ?? '');
    checkText('idempotency key', idempotencyKey);
    // Only these bytes are copied to the thread, and not the pool that they may be a part of.
    const body = new Uint8Array(message.body);
    const tooBig = (what: string, size: number, max: number) =>
      new FnError('queueMessageTooBig', { params: { what, size, max } });
    if (body.length > maxBodyBytes) throw tooBig('body', body.length, maxBodyBytes);
    for (const { length } of [head, onSuccess?.head ?? '', onFailure?.head ?? '']) {
      if (length > maxHeadBytes) throw tooBig('headers', length, maxHeadBytes);
    }
    checkText('function id', onSuccess?.fnId ?? '');
    checkText('function id', onFailure?.fnId ?? '');
    const pushed = this.submit({ kind: 'push', message: { ...message, body } }, body.length + head.length);
    // Its reservation shares the transaction, so that the call starts one sync earlier.
    this.wakeOne();
    return await pushed;
  }

  async reserve(request: ReserveRequest, signal?: AbortSignal): Promise<readonly Delivery[]> {
    const { clock, maxWaiting } = this.parts;
    const { waitMs = 0, ...wanted } = request;
    const { holder } = wanted;
    checkText('holder', holder);
    const { lane = 'calls' } = wanted;
    if (this.waiters[lane].size >= maxWaiting) throw new FnError('queueOverloaded');
    const until = later(clock.now(), waitMs);
    const operation = { kind: 'reserve', request: wanted } as const;
    for (;;) {
      if (signal?.aborted || this.isClosed) return [];
      const seen = this.readyMoments;
      const deliveries = await this.submit(operation);
      if (deliveries.length > 0) {
        // There may be more, for others that wait.
        this.wakeOne();
        return signal?.aborted ? await this.giveAllBack(deliveries) : deliveries;
      }
      // Those that it does not want are perhaps for others, which have not looked yet.
      if (wanted.perFunction !== undefined) this.wakeOne(seen);
      if (clock.now() >= until) return [];
      if (this.readyMoments === seen) await this.becomesReady(lane, seen, until, signal);
    }
  }

  extend(lease: Lease, leaseMs: number): Promise<Answer<'extend'>> {
    return this.order({ kind: 'extend', lease, leaseMs });
  }

  complete(lease: Lease, result: CallResult): Promise<Answer<'complete'>> {
    const { maxResultBytes } = this.parts.bounds;
    const body = new Uint8Array(result.body.subarray(0, maxResultBytes));
    return this.order({
      kind: 'complete',
      lease,
      result: { head: result.head, body, log: this.kept(result.log) },
      bodyBytes: result.body.length,
    });
  }

  retry(lease: Lease, failure: Failure): Promise<Answer<'retry'>> {
    return this.order({ kind: 'retry', lease, failure: { ...failure, log: this.kept(failure.log) } });
  }

  giveBack(lease: Lease, restMs = 0): Promise<Answer<'giveBack'>> {
    return this.order({ kind: 'giveBack', lease, restMs });
  }

  bury(lease: Lease, reason: Reason): Promise<Answer<'bury'>> {
    return this.order({ kind: 'bury', lease, reason });
  }

  cancel(callId: string): Promise<CancelAnswer> {
    return this.submit({ kind: 'cancel', callId });
  }

  async buryFunction(fnId: string, reason: Reason): Promise<void> {
    await this.submit({ kind: 'buryFunction', fnId, reason });
  }

  async configure(fnId: string, limits: FunctionLimits): Promise<void> {
    await this.submit({ kind: 'configure', fnId, limits });
  }

  get(callId: string): Promise<CallRecord | undefined> {
    return this.look({ kind: 'get', callId });
  }

  payload(callId: string): Promise<Payload | undefined> {
    return this.look({ kind: 'payload', callId });
  }

  result(callId: string): Promise<KeptResult | undefined> {
    return this.look({ kind: 'result', callId });
  }

  log(callId: string): Promise<string | undefined> {
    return this.look({ kind: 'log', callId });
  }

  list(query: ListQuery): Promise<CallPage> {
    return this.look({ kind: 'list', query });
  }

  redrive(selection: DeadSelection): Promise<number> {
    return this.inPortions((after) => this.submit({ kind: 'redrive', selection, after }));
  }

  purge(selection: DeadSelection): Promise<number> {
    return this.inPortions((after) => this.submit({ kind: 'purge', selection, after }));
  }

  stats(): Promise<QueueStats> {
    return this.submit({ kind: 'stats' });
  }

  subscribe(listener: (event: QueueEvent) => void): () => void {
    return this.listeners.subscribe(listener);
  }

  /** Calls may have become ready elsewhere. */
  wake(): void {
    if (this.isClosed) return;
    this.readyMoments += 1;
    this.wakeOne();
    this.listeners.emit({ kind: 'ready' });
  }

  close(): Promise<void> {
    return this.closing.call();
  }

  private async end(): Promise<void> {
    const marked = this.order({ kind: 'tick' }).catch(() => undefined);
    this.isClosed = true;
    this.ticker?.cancel();
    for (const waiters of Object.values(this.waiters)) for (const { woken } of waiters) woken.resolve();
    await marked;
    await this.commits.whenIdle();
    this.ticker?.cancel();
    await this.parts.thread.close();
  }

  private submit<K extends OperationKind>(operation: OperationOf<K>, bytes = 0): Promise<Answer<K>> {
    return this.isClosed ? closed() : this.commits.submit(operation, bytes);
  }

  private look<K extends LookupKind>(operation: OperationOf<K>): Promise<Answer<K>> {
    const { lookUp } = this.parts;
    return lookUp === undefined || this.isClosed ? this.submit<K>(operation) : lookUp(operation);
  }

  private kept(log: string | undefined): string | undefined {
    return log === undefined ? undefined : firstBytes(log, this.parts.bounds.maxResultBytes);
  }

  /** What ends calls is not refused for lack of room: it makes room. */
  private order<K extends OperationKind>(operation: OperationOf<K>): Promise<Answer<K>> {
    return this.isClosed ? closed() : this.commits.order(operation);
  }

  private async inPortions(change: (after: string) => Promise<Answer<'purge'>>): Promise<number> {
    let changed = 0;
    let after: string | undefined = '';
    while (after !== undefined) {
      const progress: Answer<'purge'> = await change(after);
      changed += progress.changed;
      after = progress.after;
    }
    return changed;
  }

  private async giveAllBack(deliveries: readonly Delivery[]): Promise<readonly Delivery[]> {
    // If that fails, they expire.
    await Promise.allSettled(deliveries.map(({ lease }) => this.giveBack(lease)));
    return [];
  }

  /** Resolves when calls may be ready, at the given time, or when the signal aborts. */
  private async becomesReady(lane: Lane, seen: number, until: MonoMs, signal: AbortSignal | undefined): Promise<void> {
    const { clock } = this.parts;
    const woken = new Deferred<void>();
    const waiter = { woken, seen };
    const wake = () => woken.resolve();
    this.waiters[lane].add(waiter);
    const timer = clock.after(until - clock.now(), wake, { keepAlive: true });
    signal?.addEventListener('abort', wake, { once: true });
    // Either may have happened while this was looking for calls.
    if (signal?.aborted || this.isClosed) wake();
    await woken.promise;
    timer.cancel();
    signal?.removeEventListener('abort', wake);
    // If it was taken out because of ready calls, and will not take them, others must learn of them.
    if (!this.waiters[lane].delete(waiter) && signal?.aborted) this.wakeOne();
  }

  /**
   * One of each lane at a time: each that finds calls wakes the next. Who finds none of its lane would wake nobody.
   * @param before only those that have not looked at this ready moment; who waits longest has looked earliest
   */
  private wakeOne(before = Number.POSITIVE_INFINITY): void {
    for (const waiters of Object.values(this.waiters)) {
      const [longest] = waiters;
      if (longest === undefined || longest.seen >= before) continue;
      waiters.delete(longest);
      longest.woken.resolve();
    }
  }

  private onCommit({ ready, ended, nextAt }: BatchAnswer): void {
    if (ready) this.wake();
    for (const { callId, state } of ended) this.listeners.emit({ kind: 'ended', callId, state });
    this.tickWhen(nextAt);
  }

  private tickWhen(nextAt: number | undefined): void {
    if (this.isClosed) return;
    const { clock, time } = this.parts;
    const now = time.now();
    const at = Math.min(
      Math.max(nextAt ?? Number.POSITIVE_INFINITY, now + MIN_TICK_MS),
      now + (this.parts.tickMs ?? MARK_MS),
    );
    if (this.ticker !== undefined && this.tickAt <= at && this.tickAt > now) return;
    this.ticker?.cancel();
    this.tickAt = at;
    this.ticker = clock.after(at - now, () => {
      this.ticker = undefined;
      this.tick();
    });
  }

  private tick(): void {
    const { logger } = this.parts;
    this.commits.order({ kind: 'tick' }).catch((error: unknown) => {
      logger.error('the queue cannot be used, trying again', { error });
      this.tickWhen(this.parts.time.now() + 1_000);
    });
  }
}

function closed(): Promise<never> {
  return Promise.reject(new CancelledError('the queue is closed'));
}

function checkText(what: string, text: string): void {
  if (text.length > MAX_TEXT) {
    throw new FnError('queueMessageTooBig', { params: { what, size: text.length, max: MAX_TEXT } });
  }
  if (!isText(text)) throw new FnError('databaseTextInvalid');
}
