import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock } from '@fnfleet/core';
import { translated } from '@fnfleet/sqlite';
import type { QueueBounds } from '../bounds.js';
import type { MessageQueue } from '../message-queue.js';
import type { ThreadReply, ThreadRequest } from '../operations.js';
import { type EngineOptions, QueueEngine, type SaveRequest } from '../sqlite/queue-engine.js';
import { openSqliteQueue, type SqliteQueueThread } from '../sqlite/sqlite-queue.js';

/** A store of calls that a test opens, kills and opens again. */
export interface QueueSetup {
  readonly clock: FakeClock;
  /** @param bounds those of the first time by default */
  open(bounds?: Partial<QueueBounds>): Promise<MessageQueue>;
  /** Ends the process that has the store open, without a chance to finish anything. */
  kill(): Promise<void>;
  /** Removes the store. */
  remove(): Promise<void>;
}

/** In memory where there is such a file system: a sync then costs nothing. */
const TEMPORARY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** A queue in SQLite whose thread is replaced by the one of the test, for speed; its file is real. */
export class InlineSqlite implements QueueSetup {
  readonly clock = new FakeClock();
  private readonly folder = mkdtempSync(join(TEMPORARY, 'fnfleet-queue-'));
  private bounds: Partial<QueueBounds> | undefined;
  private thread: InlineThread | undefined;

  async open(bounds = this.bounds): Promise<MessageQueue> {
    this.bounds = bounds;
    const startThread = (options: EngineOptions) => {
      this.thread = new InlineThread(options);
      return this.thread;
    };
    return await openSqliteQueue({ path: join(this.folder, 'mq.db'), clock: this.clock, bounds, startThread });
  }

  async kill(): Promise<void> {
    this.thread?.kill();
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true });
  }
}

/** The same in a thread of its own, as in production. */
export class ThreadedSqlite implements QueueSetup {
  readonly clock = new FakeClock();
  private readonly folder = mkdtempSync(join(tmpdir(), 'fnfleet-queue-'));
  private bounds: Partial<QueueBounds> | undefined;
  private queue: MessageQueue | undefined;

  async open(bounds = this.bounds): Promise<MessageQueue> {
    this.bounds = bounds;
    // The thread works in real time, and must not be too slow for a clock that jumps.
    const timeoutMs = Number.MAX_SAFE_INTEGER;
    this.queue = await openSqliteQueue({ path: join(this.folder, 'mq.db'), clock: this.clock, bounds, timeoutMs });
    return this.queue;
  }

  /** The thread finishes what it has begun: `killed-process.test.ts` has the rest. */
  async kill(): Promise<void> {
    await this.queue?.close();
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true });
  }
}

/** Executes a batch in one turn and answers in a later one. It can be killed before it, between, and afterwards. */
class InlineThread implements SqliteQueueThread {
  private readonly engine: QueueEngine;
  private readonly translate: ReturnType<typeof translated>;
  private isKilled = false;

  constructor(options: EngineOptions) {
    this.engine = new QueueEngine(options);
    this.translate = translated(options.path, 'FN_MQ_URL');
  }

  async ask(request: ThreadRequest | SaveRequest): Promise<ThreadReply | undefined> {
    await this.turn();
    if (request.kind === 'save') {
      await this.engine.save(request.file);
      return undefined;
    }
    const reply = this.engine.handle(request);
    await this.turn();
    return reply;
  }

  async close(): Promise<void> {
    if (!this.isKilled) this.engine.handle({ kind: 'close' });
  }

  kill(): void {
    if (this.isKilled) return;
    this.isKilled = true;
    this.engine.handle({ kind: 'close' });
  }

  private async turn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.isKilled) throw this.translate({ message: 'killed', fileTrouble: 'belongs to a dead process' });
  }
}
