import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CancelledError,
  type Clock,
  FnError,
  Listeners,
  type Logger,
  type MonoMs,
  NEVER,
  Once,
  silentLogger,
  systemClock,
  type Timer,
} from '@fnfleet/core';
import { SqliteThread } from '@fnfleet/sqlite';
import { DEFAULT_BOUNDS, type QueueBounds } from '../bounds.js';
import type { QueueThread } from '../group-commit.js';
import type {
  CallPage,
  CallRecord,
  CallResult,
  CancelAnswer,
  DeadSelection,
  Delivery,
  FunctionLimits,
  KeptResult,
  Lease,
  LeaseLost,
  ListQuery,
  MessageQueue,
  NewMessage,
  Payload,
  PushAnswer,
  QueueEvent,
  QueueStats,
  Reason,
  ReserveRequest,
  RetryAnswer,
} from '../message-queue.js';
import type { ThreadReply, ThreadRequest } from '../operations.js';
import { QueueTime } from '../queue-time.js';
import type { Failure } from '../retry-policy.js';
import { StoreQueue, type StoreQueueParts } from '../store-queue.js';
import { translatedLog } from './log-trouble.js';
import type { LeadAnswer, NatsEngineOptions, NatsReply, NatsRequest } from './nats-engine.js';
import { parseNatsUrl } from './nats-url.js';

const ENTRY = join(__dirname, 'thread.js');
/** Requests that the thread may have: a batch, a look at who leads, and more after it was too slow to answer in time. */
const MAX_REQUESTS = 6;
/** How often a node that does not lead follows the log, and looks whether anybody leads. */
const FOLLOW_MS = 1_000;
/** How often one that leads looks whether it still does, if nothing happens meanwhile. */
const LEAD_MS = 10_000;
/** A queue that closes gives up a server that has confirmed nothing for so long. */
const SILENCE_MS = 1_000;
/** The thread has nothing that is not in the server: it may be terminated while it waits for that. */
const CLOSE_MS = 1_000;

/** Time limit for a request to the server, however long its caller would wait. */
const MAX_REQUEST_MS = 60_000;

/** Answers the requests of a queue in NATS. */
export interface NatsThread {
  ask(request: NatsRequest, deadline: MonoMs): Promise<NatsReply | undefined>;
  close(): Promise<void>;
}

export interface NatsQueueOptions {
  /** `nats://…`, see `parseNatsUrl`. */
  readonly url: string;
  readonly bounds?: Partial<QueueBounds>;
  /** Time limit for an operation once its transaction has begun; 5 s by default. */
  readonly timeoutMs?: number;
  /** Maximum number of operations, and of reservations, that wait; 10 000 by default. */
  readonly maxWaiting?: number;
  /** Maximum size of the operations that wait; 64 MiB by default. */
  readonly maxWaitingBytes?: number;
  /** Whether the server may acknowledge what a power cut destroys. */
  readonly allowUnsynced?: boolean;
  /** For the copy of the queue: as large as the queue. The folder for temporary files by default. */
  readonly folder?: string;
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** Executes operations in place of a thread of its own, for tests. */
  readonly startThread?: (options: NatsEngineOptions) => NatsThread;
}

/**
 * Opens a queue in NATS JetStream. Of the nodes that have it open, one leads; others answer `queueUnavailable` until they do.
 * @throws FnError or SettingsError if the server cannot be used; its cause says what to do
 */
export async function openNatsQueue(options: NatsQueueOptions): Promise<MessageQueue> {
  const { url, timeoutMs = 5_000, logger = silentLogger, clock = systemClock } = options;
  const { maxWaiting = 10_000, maxWaitingBytes = 64 * 1024 * 1024, allowUnsynced = false, folder = tmpdir() } = options;
  const bounds = { ...DEFAULT_BOUNDS, ...options.bounds };
  const translate = translatedLog(parseNatsUrl(url).shown);
  const data: NatsEngineOptions = {
    ...{ url, bounds, allowUnsynced, folder },
    timeoutMs: Math.min(timeoutMs, MAX_REQUEST_MS),
  };
  // A thread that replaces another must not begin a new queue.
  let mustExist = false;
  const thread: NatsThread =
    options.startThread?.(data) ??
    new SqliteThread<NatsRequest, NatsReply>({
      entry: ENTRY,
      name: 'queue in NATS',
      data: () => ({ ...data, mustExist }),
      clock,
      maxWaiting: MAX_REQUESTS,
      closeMs: CLOSE_MS,
      translate,
    });
  const queue = new NatsQueue(thread, { clock, timeoutMs, maxWaiting, maxWaitingBytes, translate, bounds, logger });
  try {
    await queue.follow();
    mustExist = true;
    return queue;
  } catch (error) {
    await queue.close();
    throw error;
  }
}

interface Term {
  readonly id: string;
  readonly queue: MessageQueue;
  /** From now on, the thread does nothing for it. */
  readonly end: () => void;
}

/** The queue of the node that leads, for as long as that is this one. */
class NatsQueue implements MessageQueue {
  private term: Term | undefined;
  private readonly listeners = new Listeners<[QueueEvent]>();
  private timer: Timer | undefined;
  private looking: Promise<void> | undefined;
  private said = '';
  /** Batches that the thread has answered. */
  private answers = 0;
  private readonly closing = new Once(() => this.end());

  constructor(
    private readonly thread: NatsThread,
    private readonly parts: Omit<StoreQueueParts, 'thread' | 'time'>,
  ) {}

  /** Looks who leads, and from then on again and again. @throws FnError */
  async follow(): Promise<void> {
    this.looking ??= this.look().finally(() => {
      this.looking = undefined;
      this.followSoon();
    });
    await this.looking;
  }

  push(message: NewMessage): Promise<PushAnswer> {
    return this.led((queue) => queue.push(message));
  }

  async reserve(request: ReserveRequest, signal?: AbortSignal): Promise<readonly Delivery[]> {
    if (this.closing.called) return [];
    return await this.led((queue) => queue.reserve(request, signal));
  }

  extend(lease: Lease, leaseMs: number): Promise<{ readonly kind: 'extended' } | LeaseLost> {
    return this.led((queue) => queue.extend(lease, leaseMs));
  }

  complete(lease: Lease, result: CallResult): Promise<{ readonly kind: 'completed' } | LeaseLost> {
    return this.led((queue) => queue.complete(lease, result));
  }

  retry(lease: Lease, failure: Failure): Promise<RetryAnswer | LeaseLost> {
    return this.led((queue) => queue.retry(lease, failure));
  }

  giveBack(lease: Lease, restMs?: number): Promise<{ readonly kind: 'givenBack' } | LeaseLost> {
    return this.led((queue) => queue.giveBack(lease, restMs));
  }

  bury(lease: Lease, reason: Reason): Promise<{ readonly kind: 'dead' } | LeaseLost> {
    return this.led((queue) => queue.bury(lease, reason));
  }

  cancel(callId: string): Promise<CancelAnswer> {
    return this.led((queue) => queue.cancel(callId));
  }

  buryFunction(fnId: string, reason: Reason): Promise<void> {
    return this.led((queue) => queue.buryFunction(fnId, reason));
  }

  configure(fnId: string, limits: FunctionLimits): Promise<void> {
    return this.led((queue) => queue.configure(fnId, limits));
  }

  get(callId: string): Promise<CallRecord | undefined> {
    return this.led((queue) => queue.get(callId));
  }

  payload(callId: string): Promise<Payload | undefined> {
    return this.led((queue) => queue.payload(callId));
  }

  result(callId: string): Promise<KeptResult | undefined> {
    return this.led((queue) => queue.result(callId));
  }

  log(callId: string): Promise<string | undefined> {
    return this.led((queue) => queue.log(callId));
  }

  list(query: ListQuery): Promise<CallPage> {
    return this.led((queue) => queue.list(query));
  }

  redrive(selection: DeadSelection): Promise<number> {
    return this.led((queue) => queue.redrive(selection));
  }

  purge(selection: DeadSelection): Promise<number> {
    return this.led((queue) => queue.purge(selection));
  }

  stats(): Promise<QueueStats> {
    return this.led((queue) => queue.stats());
  }

  subscribe(listener: (event: QueueEvent) => void): () => void {
    return this.listeners.subscribe(listener);
  }

  close(): Promise<void> {
    return this.closing.call();
  }

  private async led<T>(act: (queue: MessageQueue) => Promise<T>): Promise<T> {
    if (this.closing.called) throw new CancelledError('the queue is closed');
    if (this.term === undefined) throw new FnError('queueUnavailable');
    return await act(this.term.queue);
  }

  private async look(): Promise<void> {
    const { logger } = this.parts;
    // The thread answers in seconds, also if it does not know who leads.
    const answer = await this.thread.ask({ kind: 'lead' }, NEVER);
    const { term, mark, trouble = '' } = answer as LeadAnswer;
    if (trouble !== '') this.say(trouble);
    else this.said = '';
    if (term === this.term?.id) return;
    if (this.term !== undefined) logger.info('this node no longer leads the queue of asynchronous calls');
    await this.endTerm();
    if (term === undefined || this.closing.called) return;
    await this.beginTerm(term, mark);
    logger.info('this node leads the queue of asynchronous calls');
  }

  private followSoon(): void {
    if (this.closing.called) return;
    const { clock } = this.parts;
    this.timer = clock.after(this.term === undefined ? FOLLOW_MS : LEAD_MS, () => this.followInBackground());
  }

  private followInBackground(): void {
    this.follow().catch((error: unknown) => {
      const { message, cause } = error as Error;
      this.say((cause as Error | undefined)?.message ?? message);
    });
  }

  private say(trouble: string): void {
    if (trouble !== this.said) this.parts.logger.warn('the queue of asynchronous calls has a problem', { trouble });
    this.said = trouble;
  }

  private async beginTerm(id: string, mark: LeadAnswer['mark']): Promise<void> {
    let isOver = false;
    const ask = async (request: ThreadRequest, deadline: MonoMs) => {
      if (isOver) throw new FnError('queueUnavailable');
      try {
        const ofTerm = request.kind === 'batch' ? { ...request, term: id } : request;
        const reply = (await this.thread.ask(ofTerm, deadline)) as ThreadReply | undefined;
        this.answers += 1;
        return reply;
      } catch (error) {
        // Perhaps because the node leads no more.
        if (!isOver) this.lookNow();
        throw error;
      }
    };
    const thread: QueueThread = { ask, close: async () => undefined };
    const queue = new StoreQueue({ ...this.parts, thread, time: QueueTime.resume(this.parts.clock, mark) });
    await queue.resume();
    queue.subscribe((event) => this.listeners.emit(event));
    const end = () => {
      isOver = true;
    };
    this.term = { id, queue, end };
    // Those who found no leader here may try again.
    this.listeners.emit({ kind: 'ready' });
  }

  private async endTerm(): Promise<void> {
    const { term } = this;
    this.term = undefined;
    term?.end();
    await term?.queue.close();
  }

  private lookNow(): void {
    if (this.looking !== undefined || this.closing.called) return;
    this.timer?.cancel();
    this.followInBackground();
  }

  private async end(): Promise<void> {
    this.timer?.cancel();
    const { term } = this;
    this.term = undefined;
    const closed = term?.queue.close();
    if (closed !== undefined) await this.whileAnswered(closed);
    this.timer?.cancel();
    term?.end();
    // What still waits for the server fails.
    await Promise.all([this.thread.close(), closed]);
  }

  private async whileAnswered(closed: Promise<void>): Promise<void> {
    const enough = new AbortController();
    const isClosed = closed.then(() => enough.abort());
    let answers: number;
    do {
      ({ answers } = this);
      await Promise.race([isClosed, this.parts.clock.sleep(SILENCE_MS, enough.signal)]);
    } while (!enough.signal.aborted && answers !== this.answers);
    enough.abort();
  }
}
