import {
  type Clock,
  type Logger,
  type MetricSnapshot,
  type MonoMs,
  mergeMetrics,
  readMetrics,
  totalsOnly,
} from '@fnfleet/core';
import type { Addresses } from '../parent-messages.js';
import type { GroupMessage } from './group-messages.js';
import type { GroupQuestion } from './worker-link.js';
import type { Worker, WorkerEvents } from './worker-process.js';

/** A worker that ends too soon, again and again, is started ever more seldom: after so long at first and at most, milliseconds. */
const RESTART_FIRST_MS = 100;
const RESTART_MAX_MS = 10_000;
/** One that has lived so long, milliseconds, was not a failed start. */
const SETTLED_MS = 60_000;
/** Others are waited for no longer than this, milliseconds: one that hangs must not silence all. */
const ANSWER_MS = 2_000;
/** Every so often, milliseconds, each is asked for a sign of life. */
const LOOK_MS = 5_000;
/** One that lets so many of these pass hangs. Counted, not timed: when the machine sleeps, nobody is to blame. */
const MAX_UNANSWERED = 6;

/**
 * The processes of one balancer. All listen on one port, among which the kernel deals connections out; the process that
 * has the group takes no calls itself. A worker that ends is replaced; one that hangs is ended, since the kernel would go on
 * to deal it its share of the connections.
 */
export class WorkerGroup {
  private readonly workers = new Set<Worker>();
  private readonly questions = new Map<number, Question>();
  private lastId = 0;
  /** By address, for workers that start later. */
  private readonly cordons = new Set<string>();
  /** What workers had counted that have ended: a counter must not go back. */
  private ended: MetricSnapshot[] = [];
  private stopping = false;
  private started = false;
  private port: string | undefined;
  /** Starts of a worker in a row that did not last, by its number. */
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

  /** Resolves with where they listen, when all of them serve. Rejects when one does not start. */
  async start(): Promise<Addresses> {
    // One after another: what keeps one from starting keeps all, and should be said once.
    const addresses = await this.startOne(1).ready;
    this.port = new URL(addresses.http ?? '').port;
    for (let number = 2; number <= this.size && !this.stopping; number += 1) await this.startOne(number).ready;
    this.started = true;
    this.watch();
    return addresses;
  }

  /** Has each worker drain. Resolves when all have ended; those that still live after `limitMs` are killed. */
  async stop(limitMs: number): Promise<void> {
    this.stopping = true;
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
      () => undefined, // its end starts the next
    );
    return worker;
  }

  private hasEnded(worker: Worker, how: string): void {
    this.workers.delete(worker);
    this.ended = mergeMetrics([this.ended, totalsOnly(worker.counted)]);
    for (const question of this.questions.values()) question.settle(worker);
    if (this.stopping || !this.started) return;
    const { number, startedAt } = worker;
    const failures = this.clock.now() - startedAt >= SETTLED_MS ? 0 : (this.failures.get(number) ?? 0);
    const delayMs = Math.min(RESTART_MAX_MS, RESTART_FIRST_MS * 2 ** failures);
    this.failures.set(number, failures + 1);
    this.logger.error('a worker has ended, another takes its place', { worker: number, how, restartInMs: delayMs });
    this.clock.after(delayMs, () => this.stopping || this.startOne(number));
  }

  private watch(): void {
    if (this.stopping) return;
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
      this.logger.error('a worker hangs, it is ended', { worker: worker.number });
      worker.signal('SIGKILL');
    }
  }

  private receive(worker: Worker, message: GroupMessage): void {
    worker.unanswered = 0;
    if (message.group === 'ask') void this.askFor(worker, message.id, message.question as GroupQuestion);
    if (message.group === 'done') this.questions.get(message.id)?.answer(worker, message.answer);
  }

  /** On behalf of one worker, which asks about all. */
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

  /** Whatever it answers. */
  private tell(worker: Worker, question: GroupQuestion): void {
    this.lastId += 1;
    worker.send({ group: 'do', id: this.lastId, question });
  }
}

/** Something that all workers are asked. */
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

  /** Nothing more is expected of this worker. */
  settle(worker: Worker): void {
    this.left.delete(worker);
    if (this.left.size === 0) this.finish();
  }

  finish(): void {
    this.resolve(this.given);
  }
}
