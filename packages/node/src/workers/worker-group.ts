import {
  type Clock,
  type Logger,
  type MetricSnapshot,
  type MonoMs,
  mergeMetrics,
  readMetrics,
  totalsOnly,
} from '@fnfleet/core';
import type { Addresses } from '../process-control.js';
import type { GroupMessage } from './group-messages.js';
import type { GroupQuestion } from './worker-link.js';
import type { Worker, WorkerEvents } from './worker-process.js';

/** Backoff for restarting a worker that keeps exiting early: first and maximum delay, milliseconds. */
const RESTART_FIRST_MS = 100;
const RESTART_MAX_MS = 10_000;
/** A worker that ran at least this long did not fail to start, milliseconds. */
const SETTLED_MS = 60_000;
/** Time limit for the answers of all workers, so that one that hangs cannot block the others; milliseconds. */
const ANSWER_MS = 2_000;
/** Interval of liveness checks, milliseconds. */
const LOOK_MS = 5_000;
/**
 * Missed liveness checks after which a worker counts as hung. Not a time, so that suspending the machine is no failure.
 */
const MAX_UNANSWERED = 6;

/**
 * The worker processes of one balancer. All listen on one port, and the kernel distributes connections among them; the
 * parent process takes no calls itself. A worker that exits is replaced. One that hangs is killed, because the kernel
 * would continue to assign it connections.
 */
export class WorkerGroup {
  private readonly workers = new Set<Worker>();
  private readonly questions = new Map<number, Question>();
  private lastId = 0;
  /** Cordoned addresses, which are passed on to workers that start later. */
  private readonly cordons = new Set<string>();
  /** Metrics of workers that have exited: a counter must not decrease. */
  private ended: MetricSnapshot[] = [];
  private closing = false;
  private started = false;
  private port: string | undefined;
  /** Consecutive early exits, by worker number. */
  private readonly failures = new Map<number, number>();

  constructor(
    private readonly size: number,
    private readonly clock: Pick<Clock, 'now' | 'after'>,
    private readonly logger: Logger,
    private readonly launch: (
      number: number,
      startedAt: MonoMs,
      env: Readonly<Record<string, string>>,
      events: WorkerEvents,
    ) => Worker,
  ) {}

  /** Resolves with the addresses when all workers serve. Rejects when one fails to start. */
  async start(): Promise<Addresses> {
    // Start them one after another: a problem that affects all of them is then reported only once.
    const addresses = await this.startOne(1).ready;
    this.port = new URL(addresses.http ?? '').port;
    for (let number = 2; number <= this.size && !this.closing; number += 1) await this.startOne(number).ready;
    this.started = true;
    this.watch();
    return addresses;
  }

  /** Drains all workers. Resolves when all have exited; those still running after `limitMs` are killed. */
  async close(limitMs: number): Promise<void> {
    this.closing = true;
    this.signal('SIGTERM');
    const timer = this.clock.after(limitMs, () => this.signal('SIGKILL'), { keepAlive: true });
    await Promise.all([...this.workers].map((worker) => worker.ended));
    timer.cancel();
  }

  signal(signal: NodeJS.Signals): void {
    for (const worker of this.workers) worker.signal(signal);
  }

  private startOne(number: number): Worker {
    const env: Record<string, string> = this.port === undefined ? {} : { FN_PORT: this.port };
    const events: WorkerEvents = {
      onMessage: (from, message) => this.receive(from, message),
      onEnd: (which, how) => this.hasEnded(which, how),
    };
    const worker = this.launch(number, this.clock.now(), env, events);
    this.workers.add(worker);
    worker.ready.then(
      () => {
        for (const address of this.cordons) this.tell(worker, { ask: 'cordon', address, cordoned: true });
      },
      () => undefined, // its exit triggers the next start
    );
    return worker;
  }

  private hasEnded(worker: Worker, how: string): void {
    this.workers.delete(worker);
    this.ended = mergeMetrics([this.ended, totalsOnly(worker.counted)]);
    for (const question of this.questions.values()) question.settle(worker);
    if (this.closing || !this.started) return;
    const { number, startedAt } = worker;
    const failures = this.clock.now() - startedAt >= SETTLED_MS ? 0 : (this.failures.get(number) ?? 0);
    const delayMs = Math.min(RESTART_MAX_MS, RESTART_FIRST_MS * 2 ** failures);
    this.failures.set(number, failures + 1);
    this.logger.error('worker exited, starting a replacement', { worker: number, how, restartInMs: delayMs });
    this.clock.after(delayMs, () => this.closing || this.startOne(number));
  }

  private watch(): void {
    if (this.closing) return;
    for (const worker of this.workers) {
      if (worker.isReady) this.look(worker);
    }
    this.clock.after(LOOK_MS, () => this.watch());
  }

  private look(worker: Worker): void {
    if (worker.unanswered < MAX_UNANSWERED) {
      worker.unanswered += 1;
      this.tell(worker, { ask: 'alive' });
    } else {
      this.logger.error('worker is unresponsive, killing it', { worker: worker.number });
      worker.signal('SIGKILL');
    }
  }

  private receive(worker: Worker, message: GroupMessage): void {
    worker.unanswered = 0;
    if (message.group === 'ask') void this.askFor(worker, message.id, message.question as GroupQuestion);
    if (message.group === 'done') this.questions.get(message.id)?.answer(worker, message.answer);
  }

  /** Forwards the request of one worker to all workers. */
  private async askFor(asker: Worker, id: number, question: GroupQuestion): Promise<void> {
    const answers = await this.askAll(question);
    if (question.ask === 'cordon' && answers.includes(true)) {
      if (question.cordoned) this.cordons.add(question.address);
      else this.cordons.delete(question.address);
    }
    asker.send({ group: 'all', id, answers: question.ask === 'metrics' ? [this.allMetrics()] : answers });
  }

  private allMetrics(): MetricSnapshot[] {
    return mergeMetrics([this.ended, readMetrics(), ...[...this.workers].map(({ counted }) => counted)]);
  }

  private async askAll(question: GroupQuestion): Promise<readonly unknown[]> {
    this.lastId += 1;
    const id = this.lastId;
    const asked = new Question(this.workers, (worker, answer) => {
      if (question.ask === 'metrics') worker.counted = answer as MetricSnapshot[];
    });
    this.questions.set(id, asked);
    const timer = this.clock.after(ANSWER_MS, () => asked.finish());
    for (const worker of this.workers) worker.send({ group: 'do', id, question });
    const answers = await asked.answers;
    timer.cancel();
    this.questions.delete(id);
    return answers;
  }

  /** Accepts any answer, because any answer proves that the worker is alive. */
  private tell(worker: Worker, question: GroupQuestion): void {
    this.lastId += 1;
    worker.send({ group: 'do', id: this.lastId, question });
  }
}

/** A request to all workers, with the answers so far. */
class Question {
  readonly answers: Promise<readonly unknown[]>;
  private readonly left: Set<Worker>;
  private readonly given: unknown[] = [];
  private readonly resolve: (answers: readonly unknown[]) => void;

  constructor(
    workers: Iterable<Worker>,
    private readonly onAnswer: (worker: Worker, answer: unknown) => void,
  ) {
    this.left = new Set([...workers].filter(({ isReady }) => isReady));
    const { promise, resolve } = Promise.withResolvers<readonly unknown[]>();
    this.answers = promise;
    this.resolve = resolve;
    if (this.left.size === 0) this.finish();
  }

  answer(worker: Worker, answer: unknown): void {
    this.given.push(answer);
    this.onAnswer(worker, answer);
    this.settle(worker);
  }

  /** Stops waiting for the answer of this worker. */
  settle(worker: Worker): void {
    this.left.delete(worker);
    if (this.left.size === 0) this.finish();
  }

  finish(): void {
    this.resolve(this.given);
  }
}
