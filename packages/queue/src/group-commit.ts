import { type Clock, Deferred, FnError, later, type MonoMs, TurnoverSet } from '@fnfleet/core';
import type { DatabaseProblem } from '@fnfleet/sqlite';
import type {
  Answer,
  BatchAnswer,
  LookupKind,
  Operation,
  OperationKind,
  OperationOf,
  OperationResult,
  ThreadReply,
  ThreadRequest,
} from './operations.js';
import type { QueueTime } from './queue-time.js';

/** The thread of a queue, or a stand-in for it. */
export interface QueueThread {
  ask(request: ThreadRequest, deadline: MonoMs): Promise<ThreadReply | undefined>;
  close(): Promise<void>;
}

/** Bounds of one transaction: the first operation of the next one waits for it, and what it reads is in memory. */
const MAX_BYTES = 8 * 1024 * 1024;
const MAX_OPERATIONS: Readonly<Record<Line, number>> = { changes: 500, reservations: 16, lookups: 8 };

/** Where operations wait, so that many of one kind hold up no others. */
type Line = 'changes' | 'reservations' | 'lookups';
/** In the order of their effects. */
const LINES: readonly Line[] = ['changes', 'lookups', 'reservations'];
const LOOKUPS: ReadonlySet<OperationKind> = new Set<LookupKind>(['get', 'payload', 'result', 'log', 'list']);

interface Submitted {
  readonly operation: Operation;
  readonly bytes: number;
  readonly settled: Deferred<unknown>;
}

export interface GroupCommitOptions {
  readonly thread: QueueThread;
  readonly time: QueueTime;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly maxWaiting: number;
  readonly maxWaitingBytes: number;
  readonly translate: (problem: DatabaseProblem) => Error;
  /** Called for each transaction, after its operations have settled. */
  readonly onCommit: (answer: BatchAnswer) => void;
}

/**
 * Gives operations to the thread, one transaction at a time. Those that arrive during a transaction share the next one, and so
 * share one sync of the disk: the more there are, the less each costs.
 */
export class GroupCommit {
  private readonly waiting: Readonly<Record<Line, TurnoverSet<Submitted>>> = {
    changes: new TurnoverSet(),
    lookups: new TurnoverSet(),
    reservations: new TurnoverSet(),
  };
  private waitingBytes = 0;
  private isBusy = false;
  private idle = new Deferred<void>();

  constructor(private readonly options: GroupCommitOptions) {}

  /**
   * Resolves after the commit.
   * @throws FnError of the operation or the database; `queueOverloaded` when too many wait
   */
  submit<K extends OperationKind>(operation: OperationOf<K>, bytes = 0): Promise<Answer<K>> {
    const { maxWaiting, maxWaitingBytes } = this.options;
    const { size } = this.waiting[lineOf(operation)];
    if (size >= maxWaiting || (this.waitingBytes > 0 && this.waitingBytes + bytes > maxWaitingBytes)) {
      return Promise.reject(new FnError('queueOverloaded'));
    }
    return this.order(operation, bytes);
  }

  /** Submits regardless of the limits: what makes room, and what the queue itself needs. */
  order<K extends OperationKind>(operation: OperationOf<K>, bytes = 0): Promise<Answer<K>> {
    const settled = new Deferred<unknown>();
    this.waiting[lineOf(operation)].add({ operation, bytes, settled });
    this.waitingBytes += bytes;
    if (!this.isBusy) void this.work();
    return settled.promise as Promise<Answer<K>>;
  }

  /** Resolves when nothing waits. */
  async whenIdle(): Promise<void> {
    if (this.isBusy) await this.idle.promise;
  }

  private async work(): Promise<void> {
    this.isBusy = true;
    while (LINES.some((line) => this.waiting[line].size > 0)) {
      // Those that are submitted in the same turn belong together: answers to the last transaction lead to many at a time.
      await new Promise((resolve) => setImmediate(resolve));
      await this.commit(this.take());
    }
    this.isBusy = false;
    const { idle } = this;
    this.idle = new Deferred();
    idle.resolve();
  }

  private async commit(batch: readonly Submitted[]): Promise<void> {
    const { thread, time, clock, timeoutMs, onCommit } = this.options;
    const operations = batch.map(({ operation }) => operation);
    try {
      const request = { kind: 'batch', operations, time: { at: time.now(), wall: time.wall() } } as const;
      const answer = (await thread.ask(request, later(clock.now(), timeoutMs))) as BatchAnswer;
      this.settleAll(batch, answer.results);
      onCommit(answer);
    } catch (error) {
      for (const { settled } of batch) settled.reject(error);
    }
  }

  private settleAll(batch: readonly Submitted[], results: readonly OperationResult[]): void {
    for (const [at, submitted] of batch.entries()) this.settle(submitted, results[at]);
  }

  private settle({ settled }: Submitted, result: OperationResult | undefined): void {
    if (result?.kind === 'done') settled.resolve(result.answer);
    else if (result?.kind === 'refused') settled.reject(new FnError(result.code, { params: result.params }));
    else settled.reject(this.options.translate(result?.problem ?? { message: 'no answer' }));
  }

  /** In the order of their effects. */
  private take(): Submitted[] {
    const batch: Submitted[] = [];
    let bytes = 0;
    for (const line of LINES) {
      let left = MAX_OPERATIONS[line];
      for (const submitted of this.waiting[line]) {
        if (left === 0 || (batch.length > 0 && bytes + submitted.bytes > MAX_BYTES)) break;
        left -= 1;
        bytes += submitted.bytes;
        batch.push(submitted);
        this.waiting[line].delete(submitted);
      }
    }
    this.waitingBytes -= bytes;
    return batch;
  }
}

function lineOf({ kind }: Operation): Line {
  if (kind === 'reserve') return 'reservations';
  return LOOKUPS.has(kind) ? 'lookups' : 'changes';
}
