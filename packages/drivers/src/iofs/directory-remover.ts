import { type Clock, count, countFromZero, type Logger, type Timer } from '@fnfleet/core';

/** How long one directory may take before the next gets its turn. The caller waits for the first turn. */
const FIRST_TURN_MS = 200;
const TURN_MS = 1_000;
/** How many directories are removed at the same time: all file operations share a pool of four threads. */
const AT_ONCE = 2;
/** Delays between attempts to remove a directory after failures. */
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 60_000;
/** How long a stopping runner waits for the remaining directories. */
const CLOSE_MS = 5_000;

export interface DirectoryRemoverOptions {
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Task {
  readonly remove: (signal: AbortSignal) => Promise<void>;
  readonly directory: string;
  readonly onFirstTurn: () => void;
  retryMs: number;
  timer: Timer | undefined;
}

/**
 * Removes directories that functions could write to, a few at a time and each for a bounded time, so that the files of one
 * function delay neither the runner nor the directories of others. What cannot be removed is retried as long as the runner
 * lives; after that it is left to the next runner that starts.
 */
export class DirectoryRemover {
  /** Tasks that have had no turn yet; they precede the slow ones. */
  private readonly fresh: Task[] = [];
  private readonly slow: Task[] = [];
  /** Tasks that wait for their next attempt. */
  private readonly resting = new Set<Task>();
  private readonly lifetime = new AbortController();
  private working = 0;
  private onIdle: (() => void) | undefined;

  constructor(private readonly options: DirectoryRemoverOptions) {
    countFromZero('iofs_directories_left');
  }

  /** How many directories are still to be removed. */
  get pending(): number {
    return this.fresh.length + this.slow.length + this.resting.size + this.working;
  }

  /**
   * Resolves when the directory is gone, or after its first turn; then it is removed in the background. Never rejects.
   * @param remove removes as much as it can until the signal aborts
   */
  remove(directory: string, remove: (signal: AbortSignal) => Promise<void>): Promise<void> {
    return new Promise((onFirstTurn) => {
      count('iofs_directories_left', 1);
      const task: Task = { directory, remove, onFirstTurn, retryMs: FIRST_RETRY_MS, timer: undefined };
      // It was being created when the runner stopped.
      if (this.lifetime.signal.aborted) return void this.lastAttempt(task);
      this.fresh.push(task);
      this.work();
    });
  }

  /** Continues for a while, then abandons the rest. Never rejects. */
  async close(): Promise<void> {
    const idle = new Promise<void>((resolve) => {
      this.onIdle = resolve;
    });
    // Do not wait for retry delays any more.
    for (const task of this.resting) this.resume(task);
    this.work();
    const timer = this.options.clock.after(CLOSE_MS, () => this.lifetime.abort(), { keepAlive: true });
    await idle;
    timer.cancel();
    this.lifetime.abort();
    for (const task of [...this.fresh.splice(0), ...this.slow.splice(0)]) this.leave(task, 'no time');
  }

  private work(): void {
    while (this.working < AT_ONCE && !this.lifetime.signal.aborted) {
      const isFirst = this.fresh.length > 0;
      const task = this.fresh.shift() ?? this.slow.shift();
      if (task === undefined) break;
      this.working += 1;
      void this.turn(task, isFirst ? FIRST_TURN_MS : TURN_MS).then(() => {
        this.working -= 1;
        task.onFirstTurn();
        this.work();
      });
    }
    if (this.working === 0) this.onIdle?.();
  }

  /** Never rejects. */
  private async turn(task: Task, limitMs: number): Promise<void> {
    const limit = new AbortController();
    const timer = this.options.clock.after(limitMs, () => limit.abort(), { keepAlive: true });
    const over = AbortSignal.any([limit.signal, this.lifetime.signal]);
    try {
      await task.remove(over);
      count('iofs_directories_left', -1);
    } catch (error) {
      if (over.aborted) this.slow.push(task);
      else if (this.onIdle === undefined) this.retryLater(task, error);
      else this.leave(task, error);
    } finally {
      timer.cancel();
    }
  }

  private async lastAttempt(task: Task): Promise<void> {
    try {
      await task.remove(AbortSignal.timeout(FIRST_TURN_MS));
      count('iofs_directories_left', -1);
      task.onFirstTurn();
    } catch (error) {
      this.leave(task, error);
    }
  }

  private retryLater(task: Task, error: unknown): void {
    const { clock, logger } = this.options;
    const { directory, retryMs } = task;
    if (retryMs === FIRST_RETRY_MS) {
      logger.warn('cannot remove a socket directory, retrying until the runner stops', { directory, error });
    }
    task.retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
    this.resting.add(task);
    task.timer = clock.after(retryMs, () => {
      this.resume(task);
      this.work();
    });
  }

  private resume(task: Task): void {
    task.timer?.cancel();
    this.resting.delete(task);
    this.slow.push(task);
  }

  private leave({ directory, onFirstTurn }: Task, error: unknown): void {
    const { logger } = this.options;
    logger.warn('cannot remove a socket directory, leaving it to the next runner that starts here', {
      directory,
      error,
    });
    count('iofs_directories_left', -1);
    onFirstTurn();
  }
}
