import type { DatabaseProblem } from '@fnfleet/sqlite';
import { type BatchAnswer, type Operation, type OperationResult, Refusal } from '../operations.js';
import type { TimeMark } from '../queue-time.js';
import type { QueueFile } from './queue-file.js';
import type { QueueStore } from './queue-store.js';
import type { Records } from './records.js';

/** A file that is in use, and what is known of it. */
export interface OpenedQueue {
  readonly file: QueueFile;
  readonly store: QueueStore;
  readonly records: Records;
}

/** Where batches are executed. */
export interface BatchPlace {
  usable(): OpenedQueue;
  /** E3 */
  forget(): void;
  /** Whether no operation on its own would fare better. */
  concernsAll(error: unknown): boolean;
  /** Serializes an error for the process. */
  problemOf(error: unknown): DatabaseProblem;
}

/** A transaction that has done everything, and waits for its commit. */
export interface PendingTransaction {
  readonly file: QueueFile;
  readonly time: TimeMark;
  /** Whether it has to be durable before its operations are acknowledged. */
  readonly isChange: boolean;
  isCommitted: boolean;
}

/**
 * Executes the operations of a queue, many in one transaction, which costs one sync of the disk.
 *
 * E1  In a transaction, first come changes in their order, then what is due, then reservations: a lease that is extended or
 *     used together with others is not lost to them because it was late by less than a transaction, and calls that were
 *     pushed are leased at once.
 * E2  An operation that fails for a reason of its own does not fail others: they are repeated without it.
 * E3  After a failure, what is known of the file is read again.
 *
 * Yields each transaction before its commit, so that its changes may be made durable elsewhere. If that fails, the error is
 * thrown into the generator.
 * @throws the error of SQLite, FileTrouble, or what was thrown into it
 */
export function* executeBatch(
  place: BatchPlace,
  operations: readonly Operation[],
  time: TimeMark,
): Generator<PendingTransaction, BatchAnswer, void> {
  try {
    return yield* transaction(place.usable(), operations, time);
  } catch (error) {
    place.forget();
    if (place.concernsAll(error) || operations.length === 0) throw error;
  }
  return yield* oneByOne(place, operations, time);
}

/** E2 */
function* oneByOne(
  place: BatchPlace,
  operations: readonly Operation[],
  time: TimeMark,
): Generator<PendingTransaction, BatchAnswer, void> {
  const answers: BatchAnswer[] = [];
  for (const operation of operations) {
    try {
      answers.push(yield* transaction(place.usable(), [operation], time));
    } catch (error) {
      place.forget();
      const failed: OperationResult = { kind: 'failed', problem: place.problemOf(error) };
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

function* transaction(
  { file, store, records }: OpenedQueue,
  operations: readonly Operation[],
  time: TimeMark,
): Generator<PendingTransaction, BatchAnswer, void> {
  store.ended = [];
  store.functions.hasReady = false;
  file.begin();
  const results: OperationResult[] = [];
  const execute = (operation: Operation, at: number) => {
    results[at] = resultOf(() => perform(operation, store, records, time));
  };
  // E1
  for (const [at, operation] of operations.entries()) if (operation.kind !== 'reserve') execute(operation, at);
  const hasMore = store.sweep(time);
  const { hasReady } = store.functions;
  for (const [at, operation] of operations.entries()) if (operation.kind === 'reserve') execute(operation, at);
  store.write();
  const isChange = file.hasChanged || operations.some(({ kind }) => kind === 'tick' || kind === 'resume');
  if (isChange) file.mark(time);
  const nextAt = hasMore ? time.at : store.nextDue();
  const answer = { results, ready: hasReady && store.functions.ready > 0, ended: store.ended, nextAt };
  const pending = { file, time, isChange, isCommitted: false };
  yield pending;
  file.commit();
  pending.isCommitted = true;
  return answer;
}

function resultOf(act: () => unknown): OperationResult {
  try {
    return { kind: 'done', answer: act() };
  } catch (error) {
    if (error instanceof Refusal) return { kind: 'refused', code: error.code, params: error.params };
    throw error;
  }
}

function perform(operation: Operation, store: QueueStore, records: Records, time: TimeMark): unknown {
  switch (operation.kind) {
    case 'push':
      return store.push(operation.message, time);
    case 'reserve':
      return store.reserve(operation.request, time);
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
    case 'get':
      return records.get(operation.callId, time);
    case 'payload':
      return records.payload(operation.callId);
    case 'result':
      return records.result(operation.callId);
    case 'log':
      return records.log(operation.callId);
    case 'list':
      return records.list(operation.query);
    case 'redrive':
      return store.redrive(operation, time);
    case 'purge':
      return store.purge(operation);
    case 'stats':
      return records.stats(time);
    case 'resume':
      return store.renewLeases(time);
    case 'tick':
      return undefined;
  }
}
