import { Worker } from 'node:worker_threads';
import { type Clock, Deferred, FnError, later, type MonoMs, type Timer } from '@fnfleet/core';
import type { DatabaseProblem } from './sqlite-errors.js';

/** Extra time for an answer: the thread itself reports that a lock was not available in time. Milliseconds. */
const GRACE_MS = 500;
/** The same while a thread starts, which takes seconds on a busy machine. */
const START_MS = 20_000;
/** Time limit for a thread to close its database before it is terminated, unless another one is given. */
const CLOSE_MS = 10_000;

/** What a thread receives: it answers in order, and closes its port after `close`. */
export interface ThreadMessage<Request> {
  readonly id: number;
  readonly request: Request;
}

export type ThreadAnswer<Answer> =
  | { readonly id: number; readonly answer: Answer }
  | { readonly id: number; readonly problem: DatabaseProblem }
  /** Sent without a request: the file at the path is not the open one. */
  | { readonly event: 'replaced' };

interface Asked<Answer> {
  readonly answered: Deferred<Answer>;
  readonly timer: Timer;
}

export interface SqliteThreadOptions {
  /** The compiled script of the thread. */
  readonly entry: string;
  /** Shown by tools that list threads. */
  readonly name: string;
  /** Called whenever a thread is started. @returns its `workerData` */
  readonly data: () => unknown;
  readonly clock: Clock;
  /** Maximum number of unanswered requests. */
  readonly maxWaiting: number;
  /** Time limit for it to close before it is terminated, milliseconds; 10 s by default. */
  readonly closeMs?: number;
  /** The thread has found another file at its path. */
  readonly onReplaced?: () => void;
  /** Translates an error of the thread for its caller. */
  readonly translate: (problem: DatabaseProblem) => Error;
}

/**
 * The process side of a database thread. Each request ends by its deadline, whatever the thread does; while a thread starts, by
 * START_MS after it. A thread that dies is replaced at the next request.
 */
export class SqliteThread<Request extends { readonly kind: string }, Answer> {
  private worker: Worker | undefined;
  private isStarting = false;
  private readonly asked = new Map<number, Asked<Answer | undefined>>();
  private lastId = 0;

  constructor(private readonly options: SqliteThreadOptions) {}

  /** Unanswered requests, including those whose callers have given up. */
  get waiting(): number {
    return this.asked.size;
  }

  /**
   * @throws FnError `databaseOverloaded` when too many requests wait, `databaseSlow` when the deadline passes first:
   *   the request may still be executed. Otherwise the translated error of the database.
   * @param handedOver memory of the request that the thread gets in place of a copy
   */
  ask(request: Request, deadline: MonoMs, handedOver: readonly ArrayBuffer[] = []): Promise<Answer | undefined> {
    if (this.asked.size >= this.options.maxWaiting) throw new FnError('databaseOverloaded');
    return this.post(request, deadline, handedOver).promise;
  }

  /** Sends a request without waiting for its answer, regardless of the limit. */
  order(request: Request | { readonly kind: 'close' }, deadline: MonoMs): void {
    this.post(request, deadline).promise.catch(() => undefined);
  }

  /** Answers pending requests first. Terminates the thread if that takes too long. */
  async close(): Promise<void> {
    const { worker } = this;
    if (worker === undefined) return;
    const { clock, closeMs = CLOSE_MS } = this.options;
    const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    this.order({ kind: 'close' }, later(clock.now(), closeMs));
    const timer = clock.after(closeMs, () => void worker.terminate(), { keepAlive: true });
    await ended;
    timer.cancel();
  }

  private post(
    request: Request | { readonly kind: 'close' },
    deadline: MonoMs,
    handedOver: readonly ArrayBuffer[] = [],
  ): Deferred<Answer | undefined> {
    const { clock } = this.options;
    const answered = new Deferred<Answer | undefined>();
    const late = () => answered.reject(new FnError('databaseSlow'));
    const worker = this.running();
    const graceMs = this.isStarting ? START_MS : GRACE_MS;
    const timer = clock.after(Math.max(0, deadline - clock.now()) + graceMs, late);
    // Pending requests keep the process alive, an idle database does not.
    if (this.asked.size === 0) worker.ref();
    this.lastId += 1;
    this.asked.set(this.lastId, { answered, timer });
    worker.postMessage({ id: this.lastId, request }, handedOver);
    return answered;
  }

  private running(): Worker {
    if (this.worker !== undefined) return this.worker;
    const { data, entry, name } = this.options;
    const worker = new Worker(entry, { workerData: data(), name });
    worker.on('message', (answer: ThreadAnswer<Answer>) => this.onAnswer(answer));
    let cause: Error | undefined;
    worker.on('error', (error) => {
      cause = error;
    });
    worker.once('exit', () => this.onExit(cause));
    this.worker = worker;
    this.isStarting = true;
    return worker;
  }

  private onAnswer(answer: ThreadAnswer<Answer>): void {
    this.isStarting = false;
    if ('event' in answer) return this.options.onReplaced?.();
    const asked = this.take(answer.id);
    if ('problem' in answer) asked?.answered.reject(this.options.translate(answer.problem));
    else asked?.answered.resolve(answer.answer);
    if (this.asked.size === 0) this.worker?.unref();
  }

  private onExit(cause: Error | undefined): void {
    this.worker = undefined;
    const reason = 'its thread has exited';
    for (const id of [...this.asked.keys()]) {
      this.take(id)?.answered.reject(new FnError('databaseFailed', { params: { reason }, cause }));
    }
  }

  private take(id: number): Asked<Answer | undefined> | undefined {
    const asked = this.asked.get(id);
    this.asked.delete(id);
    asked?.timer.cancel();
    return asked;
  }
}
