import { type Clock, count, countFromZero, type Logger, type Timer } from '@fnfleet/core';

/** How long one directory may take before the next gets its turn. The first turn keeps whoever asked waiting. */
const FIRST_TURN_MS = 200;
const TURN_MS = 1_000;
/** How many directories are worked on at the same time: the thread pool has four threads, for everybody. */
const AT_ONCE = 2;
/** Pauses between attempts at what cannot be removed. */
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 60_000;
/** How long the end of a runner waits for what is left. */
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
 * Removes directories that functions could write to, a few at a time and each for a bounded time, so that what one function
 * leaves behind holds up neither the runner nor the directories of others. What cannot be removed is tried again as long
 * as the runner lives; after that the next runner to start removes it.
 */
export class DirectoryRemover {
  /** Those that have had no turn yet go before those that take long. */
  private readonly fresh: Task[] = [];
  private readonly slow: Task[] = [];
  /** Those that wait for their next attempt. */
  private readonly resting = new Set<Task>();
  private readonly life = new AbortController();
  private working = 0;
  private onIdle: (() => void) | undefined;

  constructor(private readonly options: DirectoryRemoverOptions) {
    countFromZero('iofs_directories_left');
  }

  /** Directories that are still to be removed. */
  get pending(): number {
    return this.fresh.length + this.slow.length + this.resting.size + this.working;
  }

  /**
   * Resolves when the directory is gone, or when that takes long: then it is removed in the background. Never rejects.
   * @param remove removes it, as far as it gets until the signal aborts
   */
  remove(directory: string, remove: (signal: AbortSignal) => Promise<void>): Promise<void> {
    return new Promise((onFirstTurn) => {
      count('iofs_directories_left', 1);
      const task: Task = { directory, remove, onFirstTurn, retryMs: FIRST_RETRY_MS, timer: undefined };
      // It was being made when the runner ended.
      if (this.life.signal.aborted) return void this.lastAttempt(task);
      this.fresh.push(task);
      this.work();
    });
  }

  /** Goes on for a while, then leaves what is left. Never rejects. */
  async close(): Promise<void> {
    const idle = new Promise<void>((resolve) => {
      this.onIdle = resolve;
    });
    // No time for pauses any more.
    for (const task of this.resting) this.resume(task);
    this.work();
    const patience = this.options.clock.after(CLOSE_MS, () => this.life.abort(), { keepAlive: true });
    await idle;
    patience.cancel();
    this.life.abort();
    for (const task of [...this.fresh.splice(0), ...this.slow.splice(0)]) this.leave(task, 'no time');
  }

  private work(): void {
    while (this.working < AT_ONCE && !this.life.signal.aborted) {
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
    const over = AbortSignal.any([limit.signal, this.life.signal]);
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
