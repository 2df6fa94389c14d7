import { join } from 'node:path';
import { type Clock, type Logger, later, type MonoMs, silentLogger, systemClock } from '@fnfleet/core';
import { closeDatabaseToOthers, prepareFile, SqliteThread, translated } from '@fnfleet/sqlite';
import { DEFAULT_BOUNDS, type QueueBounds } from '../bounds.js';
import type { QueueThread } from '../group-commit.js';
import type { MessageQueue } from '../message-queue.js';
import type { ThreadReply, ThreadRequest } from '../operations.js';
import { QueueTime, type TimeMark } from '../queue-time.js';
import { StoreQueue } from '../store-queue.js';
import { type PackedAnswer, type PackedBatch, packBatch, unpackAnswer } from './packed-batch.js';
import { saveBeside } from './queue-copy.js';
import type { EngineOptions, SaveRequest } from './queue-engine.js';
import { IN_MEMORY } from './queue-file.js';

const ENTRY = join(__dirname, 'thread.js');
/** Batches that the thread may have: one, or more after it was too slow to answer in time. */
const MAX_BATCHES = 4;
/** Maximum time to wait for another process to close the file. */
const MAX_LOCK_MS = 10_000;
/** A copy of a large queue takes minutes. */
const SAVE_MS = 3_600_000;

/** It can also make copies. */
export interface SqliteQueueThread extends QueueThread {
  ask(request: ThreadRequest | SaveRequest, deadline: MonoMs): Promise<ThreadReply | undefined>;
}

export interface SqliteQueueOptions {
  /** A file, created if missing; `:memory:` for a queue that lives as long as the object, for tests. */
  readonly path: string;
  readonly bounds?: Partial<QueueBounds>;
  /** Time limit for an operation once its transaction has begun; 5 s by default. */
  readonly timeoutMs?: number;
  /** Maximum number of operations, and of reservations, that wait; 10 000 by default. */
  readonly maxWaiting?: number;
  /** Maximum size of the operations that wait; 64 MiB by default. */
  readonly maxWaitingBytes?: number;
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** Executes operations in place of a thread of its own, for tests. */
  readonly startThread?: (options: EngineOptions) => SqliteQueueThread;
}

/**
 * Opens a queue in a file of its own, which no other process can open meanwhile.
 * @throws FnError or Error that names the file if it cannot be used
 */
export async function openSqliteQueue(options: SqliteQueueOptions): Promise<MessageQueue> {
  const { path, timeoutMs = 5_000, logger = silentLogger, clock = systemClock } = options;
  const bounds = { ...DEFAULT_BOUNDS, ...options.bounds };
  if (path !== IN_MEMORY) prepareFile(path, logger);
  const translate = translated(path, 'FN_MQ_URL');
  // Once it has been opened, a thread that replaces another must not begin a new queue.
  let mustExist = false;
  const data: EngineOptions = { path, bounds, waitMs: Math.min(timeoutMs, MAX_LOCK_MS) };
  const thread =
    options.startThread?.(data) ??
    withPackedBatches(
      new SqliteThread({
        ...{
          entry: ENTRY,
          name: 'queue',
          data: () => ({ ...data, mustExist }),
          clock,
          maxWaiting: MAX_BATCHES,
          translate,
        },
      }),
    );
  try {
    const reply = await thread.ask({ kind: 'lastMark' }, later(clock.now(), 2 * timeoutMs));
    mustExist = true;
    if (path !== IN_MEMORY) closeDatabaseToOthers(path, logger);
    const time = QueueTime.resume(clock, (reply as { readonly mark: TimeMark | undefined }).mark);
    const { maxWaiting = 10_000, maxWaitingBytes = 64 * 1024 * 1024 } = options;
    const queue = new StoreQueue({
      thread,
      time,
      clock,
      timeoutMs,
      maxWaiting,
      maxWaitingBytes,
      translate,
      bounds,
      logger,
    });
    await queue.resume();
    if (path === IN_MEMORY) return queue;
    const save = () => saveBeside(path, (file) => thread.ask({ kind: 'save', file }, later(clock.now(), SAVE_MS)));
    return Object.assign(queue, { save });
  } catch (error) {
    await thread.close();
    throw error;
  }
}

function withPackedBatches(
  thread: SqliteThread<ThreadRequest | SaveRequest | PackedBatch, ThreadReply | PackedAnswer>,
): SqliteQueueThread {
  return {
    async ask(request, deadline) {
      if (request.kind !== 'batch') return (await thread.ask(request, deadline)) as ThreadReply | undefined;
      const packed = packBatch(request);
      return unpackAnswer((await thread.ask(packed, deadline, [packed.memory])) as PackedAnswer);
    },
    close: () => thread.close(),
  };
}
