import { type Clock, Deferred, FnError, type Logger, type MonoMs } from '@fnfleet/core';
import { connectionOptions, marksOf, NotificationListener, PostgresPool, type PostgresTarget } from '@fnfleet/postgres';
import { isText, type QueueBounds } from '../bounds.js';
import type { QueueThread } from '../group-commit.js';
import type { Delivery, ReserveRequest } from '../message-queue.js';
import type { BatchAnswer, Operation, OperationResult, ThreadReply, ThreadRequest } from '../operations.js';
import { Refusal } from '../operations.js';
import { QueueTime, type TimeMark } from '../queue-time.js';
import { migrate } from './migrate.js';
import { PostgresStore } from './postgres-store.js';
import { commitQueue, lockQueue, type QueueState } from './queue-state.js';
import { Transaction } from './transaction.js';

export interface PostgresEngineOptions {
  readonly target: PostgresTarget;
  readonly bounds: QueueBounds;
  readonly timeoutMs: number;
  /** Whether a server is accepted that acknowledges commits before they are on disk. */
  readonly allowUnsynced: boolean;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Calls may have become ready, by another node. */
  readonly onNotice: () => void;
}

/** How often a transaction is tried that conflicts with others, or whose connection is lost before its commit. */
const MAX_ATTEMPTS = 4;
/** An idle node records the time when nobody has for this long, in milliseconds. */
const MARK_MS = 30_000;
/** A node that joins others is at most this much behind the time that they have recorded last. */
const MAX_BEHIND_MS = 60_000;
/** The key of the lock that every node has in common with others while it is alive: "fnmq". */
const ALIVE_LOCK = 0x666e6d71;

/**
 * Executes the operations of a node on tables that it shares with others, many in one transaction.
 *
 * E1  In a transaction, first come changes in their order, then what is due, then reservations.
 * E2  An operation that fails for a reason of its own does not fail others: they are repeated without it.
 * E3  After a failure, what is known of functions is read again.
 * E4  Transactions that change something come one after the other over all nodes: each locks the row of the queue first. So limits are exact,
 *     and there is no order of locks that could be wrong.
 * E5  The outcome of a commit without an answer is unknown, and said to be.
 * E6  When no node could change anything for some time, leases are renewed: nobody could extend them.
 */
export class PostgresEngine implements QueueThread {
  private readonly pool: PostgresPool;
  private store: PostgresStore | undefined;
  private time: QueueTime | undefined;
  private listener: NotificationListener | undefined;
  private isClosed = false;
  /** In time of the queue: since when this node has changed nothing although it tried. */
  private failingSince: number | undefined;

  /** @throws SettingsError when a file that the URL names cannot be read */
  constructor(private readonly options: PostgresEngineOptions) {
    this.pool = new PostgresPool({ ...options, maxConnections: 1, maxWaiting: 4 });
  }

  /**
   * Makes or migrates the tables, and joins the nodes that use them.
   * @returns the time of the queue
   */
  async start(deadline: MonoMs): Promise<QueueTime> {
    await this.connected(deadline, (transaction) => migrate(transaction));
    return await this.connected(deadline, (transaction) => this.join(transaction, deadline));
  }

  async ask(request: ThreadRequest, deadline: MonoMs): Promise<ThreadReply | undefined> {
    if (request.kind !== 'batch') throw new Error(`not asked: ${request.kind}`);
    const { operations } = request;
    try {
      const answer = await this.batch(operations, deadline);
      this.failingSince = undefined;
      return answer;
    } catch (error) {
      this.failingSince ??= this.now.now();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await this.listener?.close();
    await this.pool.close();
  }

  private get now(): QueueTime {
    if (this.time === undefined) throw new Error('the queue was not started');
    return this.time;
  }

  private async batch(operations: readonly Operation[], deadline: MonoMs): Promise<BatchAnswer> {
    try {
      return await this.repeated(operations, deadline);
    } catch (error) {
      if (error instanceof FnError || operations.length === 1) throw error;
    }
    // E2
    const answers: BatchAnswer[] = [];
    for (const operation of operations) {
      try {
        answers.push(await this.repeated([operation], deadline));
      } catch (error) {
        if (error instanceof FnError) throw error;
        const failed: OperationResult = { kind: 'failed', problem: { message: (error as Error).message } };
        answers.push({ results: [failed], ready: false, ended: [], nextAt: undefined });
      }
    }
    return {
      results: answers.flatMap(({ results }) => results),
      ready: answers.some(({ ready }) => ready),
      ended: answers.flatMap(({ ended }) => ended),
      nextAt: answers.at(-1)?.nextAt,
    };
  }

  private async repeated(operations: readonly Operation[], deadline: MonoMs): Promise<BatchAnswer> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.connected(deadline, (transaction) => this.transaction(transaction, operations));
      } catch (error) {
        if (attempt === MAX_ATTEMPTS || this.isClosed || !marksOf(error).mayRepeat) throw error;
      }
    }
  }

  /** E3. The server rolls back by itself when it loses the connection. */
  private async connected<T>(deadline: MonoMs, act: (transaction: Transaction) => Promise<T>): Promise<T> {
    if (this.isClosed) throw new FnError('queueUnavailable');
    const client = await this.pool.connect();
    const transaction = new Transaction(this.pool, client, deadline);
    let isBroken = false;
    try {
      return await act(transaction);
    } catch (error) {
      this.store = undefined;
      isBroken = !(await rolledBack(transaction, error));
      throw error;
    } finally {
      client.release(isBroken);
    }
  }

  private async transaction(transaction: Transaction, operations: readonly Operation[]): Promise<BatchAnswer> {
    const state = await this.lock(transaction);
    const time: TimeMark = { at: this.now.now(), wall: this.now.wall() };
    const store = await this.storeFor(transaction, state);
    // Other nodes have changed something meanwhile.
    const hadReady = store.functions.hasReady;
    store.functions.hasReady = false;
    if (this.failingSince !== undefined && (state.at ?? 0) <= this.failingSince)
      await store.renewLeases(transaction, time);
    const storable = operations.filter(isStorable);
    await store.load(transaction, storable.flatMap(callIdsOf), storable.flatMap(keysOf));
    const results = await this.perform(transaction, store, operations, time);
    const { hasReady } = store.functions;
    const reserved = await this.reserve(transaction, store, operations, time);
    for (const [at, deliveries] of reserved) results[at] = { kind: 'done', answer: deliveries };
    const isChange = await store.finish(transaction);
    const ready = store.functions.hasReady || hasReady;
    const isReady = store.functions.ready > 0;
    const mustMark = operations.some(({ kind }) => kind === 'tick') && time.at >= (state.at ?? 0) + MARK_MS;
    await this.end(transaction, store, state, time, { isChange: isChange || mustMark, tells: ready && isReady });
    return {
      results,
      ready: (ready || hadReady) && isReady,
      ended: store.ended,
      nextAt: store.nextDue(time),
    };
  }

  private async end(
    transaction: Transaction,
    store: PostgresStore,
    state: QueueState,
    time: TimeMark,
    { isChange, tells }: { readonly isChange: boolean; readonly tells: boolean },
  ): Promise<void> {
    // A transaction that is rolled back need not wait for the disk.
    if (!isChange) return void (await transaction.script('rollback'));
    state.batch += 1;
    await this.commit(transaction, state, time, tells ? this.name : undefined);
    store.committed(state.batch);
  }

  /** Of this node, for notices: its own are not for it. */
  private readonly name = Math.random().toString(36).slice(2);

  /** E5 */
  private async commit(
    transaction: Transaction,
    state: QueueState,
    time: TimeMark,
    notice: string | undefined,
  ): Promise<void> {
    try {
      await commitQueue(transaction, state, time, notice);
    } catch (error) {
      throw marksOf(error).breaksConnection ? new FnError('databaseSlow', { cause: error }) : error;
    }
  }

  /** E4 */
  private async lock(transaction: Transaction): Promise<QueueState> {
    const state = await lockQueue(transaction);
    const { syncsCommits, fsync } = state;
    if (!this.options.allowUnsynced) checkSynced(syncsCommits, fsync);
    if (state.at !== undefined) this.time?.atLeast(state.at);
    return state;
  }

  private async storeFor(transaction: Transaction, state: QueueState): Promise<PostgresStore> {
    if (!this.store?.knows(state)) this.store = new PostgresStore(this.options.bounds);
    await this.store?.begin(transaction, state);
    return this.store as PostgresStore;
  }

  private async perform(
    transaction: Transaction,
    store: PostgresStore,
    operations: readonly Operation[],
    time: TimeMark,
  ): Promise<OperationResult[]> {
    const results: OperationResult[] = [];
    const later: number[] = [];
    for (const [at, operation] of operations.entries()) {
      if (!isStorable(operation)) results[at] = unstorable(operation);
      else if (operation.kind === 'stats') later.push(at);
      else if (operation.kind !== 'reserve')
        results[at] = await resultOf(() => changed(transaction, store, operation, time));
    }
    await store.sweep(
      transaction,
      time,
      operations.some(({ kind }) => kind === 'tick'),
    );
    await store.flush(transaction);
    for (const at of later) results[at] = { kind: 'done', answer: await store.stats(transaction, time) };
    return results;
  }

  private async reserve(
    transaction: Transaction,
    store: PostgresStore,
    operations: readonly Operation[],
    time: TimeMark,
  ): Promise<readonly (readonly [number, readonly Delivery[]])[]> {
    const requests: { readonly at: number; readonly request: ReserveRequest }[] = [];
    for (const [at, operation] of operations.entries()) {
      if (operation.kind === 'reserve' && isStorable(operation)) requests.push({ at, request: operation.request });
    }
    if (requests.length === 0) return [];
    const asked = requests.map(({ request }) => request);
    const leased = await store.reserve(transaction, asked, time);
    return requests.map(({ at }, index) => [at, leased[index] ?? []]);
  }

  /** The first of the nodes continues from the recorded time, as T3 says. Others take the time from those that are alive. */
  private async join(transaction: Transaction, deadline: MonoMs): Promise<QueueTime> {
    const state = await this.lock(transaction);
    const { clock } = this.options;
    const [alone] = await transaction.rows('alone', `select pg_try_advisory_lock(${ALIVE_LOCK}) as alone`);
    const isAlone = alone?.alone === true;
    const mark = state.at === undefined ? undefined : { at: state.at, wall: state.wall ?? 0 };
    const sinceMark = Math.min(Math.max(0, state.serverNow - (state.serverAt ?? 0)), MAX_BEHIND_MS);
    this.time =
      isAlone || mark === undefined ? QueueTime.resume(clock, mark) : QueueTime.at(clock, mark.at + sinceMark);
    if (isAlone) await transaction.rows('not_alone', `select pg_advisory_unlock(${ALIVE_LOCK})`);
    const time: TimeMark = { at: this.time.now(), wall: this.time.wall() };
    const store = await this.storeFor(transaction, state);
    if (isAlone) await store.renewLeases(transaction, time);
    const hasForgotten = await store.forgetFunctions(transaction);
    // Before others may look whether they are alone.
    await this.listen(deadline);
    state.batch += 1;
    await this.commit(transaction, { ...state, epoch: state.epoch + (hasForgotten ? 1 : 0) }, time, undefined);
    this.store = undefined;
    return this.time;
  }

  private async listen(deadline: MonoMs): Promise<void> {
    const { target, timeoutMs, logger, clock, onNotice } = this.options;
    const listening = new Deferred<void>();
    this.listener = new NotificationListener({
      connection: connectionOptions(target, timeoutMs),
      ...{ shown: target.shown, channel: 'fnfleet_mq', timeoutMs, logger, clock },
      onConnect: `select pg_advisory_lock_shared(${ALIVE_LOCK})`,
      wake: (notice) => {
        listening.resolve();
        if (notice !== this.name) onNotice();
      },
    });
    const timer = clock.after(deadline - clock.now(), () => listening.reject(new FnError('databaseSlow')));
    try {
      await listening.promise;
    } finally {
      timer.cancel();
    }
  }
}

/** @returns whether the connection may be used again */
async function rolledBack(transaction: Transaction, error: unknown): Promise<boolean> {
  const isUnanswered = error instanceof FnError && error.code === 'databaseSlow';
  if (isUnanswered || marksOf(error).breaksConnection) return false;
  return await transaction.script('rollback').then(
    () => true,
    () => false,
  );
}

function checkSynced(syncsCommits: string, fsync: string): void {
  const reason =
    fsync === 'off'
      ? 'its server does not sync to the disk (fsync = off)'
      : 'its server acknowledges commits before they are on disk (synchronous_commit)';
  if (fsync === 'off' || !['on', 'remote_apply'].includes(syncsCommits)) {
    throw new FnError('databaseFailed', { params: { reason } });
  }
}

async function resultOf(act: () => unknown): Promise<OperationResult> {
  try {
    return { kind: 'done', answer: await act() };
  } catch (error) {
    if (error instanceof Refusal) return { kind: 'refused', code: error.code, params: error.params };
    throw error;
  }
}

function changed(transaction: Transaction, store: PostgresStore, operation: Operation, time: TimeMark): unknown {
  switch (operation.kind) {
    case 'push':
      return store.push(operation.message, time);
    case 'extend':
      return store.extend(operation.lease, operation.leaseMs, time);
    case 'complete':
      return store.complete(operation.lease, operation.result, operation.bodyBytes, time);
    case 'retry':
      return store.retry(operation.lease, operation.failure, time);
    case 'giveBack':
      return store.giveBack(operation.lease, operation.restMs, time);
    case 'bury':
      return store.bury(operation.lease, operation.reason, time);
    case 'cancel':
      return store.cancel(operation.callId, time);
    case 'buryFunction':
      return store.buryFunction(operation.fnId, operation.reason);
    case 'configure':
      return store.configure(operation.fnId, operation.limits, time);
    case 'redrive':
      return store.redrive(transaction, operation, time);
    case 'purge':
      return store.purge(transaction, operation);
    case 'tick':
      return undefined;
    default:
      throw new Error(`${operation.kind} is not a change`);
  }
}

/** Whether Postgres has texts with all the characters of the names in an operation. */
function isStorable(operation: Operation): boolean {
  return namesIn(operation).every(isText);
}

/** What is new is refused. A call with such an id does not exist, as other stores find out when they look. */
function unstorable(operation: Operation): OperationResult {
  switch (operation.kind) {
    case 'extend':
    case 'complete':
    case 'retry':
    case 'giveBack':
    case 'bury':
      return { kind: 'done', answer: { kind: 'leaseLost', because: 'unknown' } };
    case 'cancel':
      return { kind: 'done', answer: { kind: 'notFound' } };
    case 'redrive':
    case 'purge':
      return { kind: 'done', answer: { changed: 0, after: undefined } };
    default:
      return { kind: 'refused', code: 'databaseTextInvalid' };
  }
}

function namesIn(operation: Operation): readonly string[] {
  switch (operation.kind) {
    case 'push': {
      const { callId, fnId, app = '', idempotencyKey = '', onSuccess, onFailure } = operation.message;
      return [callId, fnId, app, idempotencyKey, onSuccess?.fnId ?? '', onFailure?.fnId ?? ''];
    }
    case 'reserve':
      return [operation.request.holder];
    case 'buryFunction':
    case 'configure':
      return [operation.fnId];
    case 'redrive':
    case 'purge': {
      const { selection } = operation;
      return 'callId' in selection ? [selection.callId] : [];
    }
    default:
      return callIdsOf(operation);
  }
}

/** The calls that an operation needs to know. */
function callIdsOf(operation: Operation): readonly string[] {
  switch (operation.kind) {
    case 'push':
      return [operation.message.callId];
    case 'cancel':
      return [operation.callId];
    case 'extend':
    case 'complete':
    case 'retry':
    case 'giveBack':
    case 'bury':
      return [operation.lease.callId];
    default:
      return [];
  }
}

function keysOf(operation: Operation): readonly { readonly fnId: string; readonly key: string }[] {
  if (operation.kind !== 'push') return [];
  const { fnId, idempotencyKey } = operation.message;
  return idempotencyKey === undefined ? [] : [{ fnId, key: idempotencyKey }];
}
