import { problemOf } from '@fnfleet/sqlite';
import type { QueueBounds } from '../bounds.js';
import type { TimeMark } from '../queue-time.js';
import {
  type BatchAnswer,
  type Operation,
  type OperationResult,
  Refusal,
  type ThreadReply,
  type ThreadRequest,
} from './operations.js';
import { IN_MEMORY, QueueFile } from './queue-file.js';
import { QueueStore } from './queue-store.js';
import { Records } from './records.js';

export interface EngineOptions {
  readonly path: string;
  readonly bounds: QueueBounds;
  /** Time to wait for a file that another process is about to close. */
  readonly waitMs: number;
  /** The queue was open before in this process: a file that is missing or empty is not made into a new queue. */
  readonly mustExist?: boolean;
}

/** Result codes that concern the file, so that no operation on its own would fare better: BUSY, LOCKED, READONLY, IOERR, CORRUPT, CANTOPEN, NOTADB. */
const OF_THE_FILE: ReadonlySet<number> = new Set([5, 6, 8, 10, 11, 14, 26]);

interface Opened {
  readonly file: QueueFile;
  readonly store: QueueStore;
  readonly records: Records;
}

/**
 * Executes the operations of a queue on its file, many in one transaction, which costs one sync of the disk.
 *
 * E1  In a transaction, first come changes in their order, then what is due, then reservations: a lease that is extended or
 *     used together with others is not lost to them because it was late by less than a transaction, and calls that were
 *     pushed are leased at once.
 * E2  An operation that fails for a reason of its own does not fail others: they are repeated without it.
 * E3  After a failure, what is known of the file is read again.
 */
export class QueueEngine {
  private opened: Opened | undefined;
  private mustExist: boolean;

  constructor(private readonly options: EngineOptions) {
    this.mustExist = options.mustExist ?? false;
  }

  /** @throws the error of SQLite, or FileTrouble */
  handle(request: ThreadRequest): ThreadReply | undefined {
    switch (request.kind) {
      case 'lastMark':
        return { mark: this.lastMark() };
      case 'batch':
        return this.batch(request.operations, request.time);
      case 'close':
        this.forgetFile();
        return undefined;
    }
  }

  private lastMark(): TimeMark | undefined {
    const row = this.usable().file.one('select at, wall from meta');
    if (row?.at === null || row === undefined) return undefined;
    return { at: Number(row.at), wall: Number(row.wall) };
  }

  private batch(operations: readonly Operation[], time: TimeMark): BatchAnswer {
    try {
      return this.transaction(operations, time);
    } catch (error) {
      this.forgetFile();
      const { errcode } = error as { errcode?: number };
      const isOfFile =
        problemOf(error).fileTrouble !== undefined || (errcode !== undefined && OF_THE_FILE.has(errcode & 0xff));
      if (isOfFile || operations.length === 0) throw error;
      return this.oneByOne(operations, time);
    }
  }

  /** E2 */
  private oneByOne(operations: readonly Operation[], time: TimeMark): BatchAnswer {
    const answers = operations.map((operation): BatchAnswer => {
      try {
        return this.transaction([operation], time);
      } catch (error) {
        this.forgetFile();
        const failed: OperationResult = { kind: 'failed', problem: problemOf(error) };
        return { results: [failed], ready: false, ended: [], nextAt: undefined };
      }
    });
    return {
      results: answers.flatMap(({ results }) => results),
      ready: answers.some(({ ready }) => ready),
      ended: answers.flatMap(({ ended }) => ended),
      nextAt: answers.at(-1)?.nextAt,
    };
  }

  private transaction(operations: readonly Operation[], time: TimeMark): BatchAnswer {
    const { file, store, records } = this.usable();
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
    const mustMark = file.hasChanged || operations.some(({ kind }) => kind === 'tick' || kind === 'resume');
    if (mustMark) file.run('update meta set at = ?, wall = ?', time.at, time.wall);
    const nextAt = hasMore ? time.at : store.nextDue();
    file.commit();
    return { results, ready: hasReady && store.functions.ready > 0, ended: store.ended, nextAt };
  }

  private usable(): Opened {
    if (this.opened?.file.isReplaced) this.forgetFile();
    this.opened ??= this.open();
    return this.opened;
  }

  private open(): Opened {
    const { path, waitMs, bounds } = this.options;
    const file = QueueFile.open(path, { waitMs, mustExist: this.mustExist && path !== IN_MEMORY });
    this.mustExist = true;
    const store = new QueueStore(file, bounds);
    return { file, store, records: new Records(file, store) };
  }

  /** E3 */
  private forgetFile(): void {
    const { opened } = this;
    this.opened = undefined;
    try {
      opened?.file.rollback();
    } finally {
      opened?.file.close();
    }
  }
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
      return records.get(operation.callId);
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
