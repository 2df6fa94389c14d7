import { problemOf } from '@fnfleet/sqlite';
import type { QueueBounds } from '../bounds.js';
import type { BatchAnswer, Operation, ThreadReply, ThreadRequest } from '../operations.js';
import type { TimeMark } from '../queue-time.js';
import { type BatchPlace, executeBatch, type OpenedQueue } from './batch.js';
import { IN_MEMORY, QueueFile } from './queue-file.js';
import { forgetFunctions, QueueStore } from './queue-store.js';
import { Records } from './records.js';

/** A consistent copy into a new file, while batches go on. */
export interface SaveRequest {
  readonly kind: 'save';
  readonly file: string;
}

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

/** Executes the batches of a queue on its file, and is done with each when the disk has it. */
export class QueueEngine implements BatchPlace {
  readonly concernsAll = isOfTheFile;
  readonly problemOf = problemOf;
  private opened: OpenedQueue | undefined;
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
        this.forget();
        return undefined;
    }
  }

  /** Batches go on meanwhile. */
  save(file: string): Promise<void> {
    return this.usable().file.save(file);
  }

  private lastMark(): TimeMark | undefined {
    return this.usable().file.lastMark;
  }

  private batch(operations: readonly Operation[], time: TimeMark): BatchAnswer {
    const steps = executeBatch(this, operations, time);
    for (;;) {
      // The commit itself makes a transaction durable.
      const step = steps.next();
      if (step.done) return step.value;
    }
  }

  usable(): OpenedQueue {
    if (this.opened?.file.isReplaced) this.forget();
    this.opened ??= this.open();
    return this.opened;
  }

  private open(): OpenedQueue {
    const { path, waitMs, bounds } = this.options;
    const file = QueueFile.open(path, { waitMs, mustExist: this.mustExist && path !== IN_MEMORY });
    this.mustExist = true;
    forgetFunctions(file);
    const store = new QueueStore(file, bounds);
    return { file, store, records: new Records(file, store) };
  }

  /** E3 */
  forget(): void {
    const { opened } = this;
    this.opened = undefined;
    try {
      opened?.file.rollback();
    } finally {
      opened?.file.close();
    }
  }
}

/** Whether an error of SQLite, or FileTrouble, concerns the file and not an operation. */
export function isOfTheFile(error: unknown): boolean {
  const { errcode } = error as { errcode?: number };
  return problemOf(error).fileTrouble !== undefined || (errcode !== undefined && OF_THE_FILE.has(errcode & 0xff));
}
