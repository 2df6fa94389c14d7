import { type Clock, count, countFromZero, LONG_AGO, later, type MonoMs, readWhenExported } from '@fnfleet/core';
import type { MessageQueue, QueueStats } from '@fnfleet/queue';

/** Maximum time that an export of metrics waits for the queue, milliseconds. */
const MAX_READ_MS = 1_000;
/** Minimum time between two reads by exports that do not wait. */
const REST_MS = 1_000;
const COUNTERS = [
  ...(['mq_accepted', 'mq_duplicates', 'mq_delivered', 'mq_redelivered', 'mq_retried'] as const),
  ...(['mq_completed', 'mq_dead', 'mq_cancelled'] as const),
] as const;
const STATES = ['ready', 'delayed', 'running', 'dead'] as const;

/** Counts what happens in a queue, and exports how much it holds. */
export class QueueMeter {
  /** The queue; what is done through this object is counted. */
  readonly queue: MessageQueue;
  private stats: QueueStats | undefined;
  private reading: Promise<void> | undefined;
  private readAt: MonoMs = LONG_AGO;
  private readonly ends: readonly (() => void)[];

  constructor(
    private readonly inner: MessageQueue,
    private readonly clock: Clock,
  ) {
    for (const name of COUNTERS) countFromZero(name);
    this.queue = counted(inner);
    this.ends = [
      // However a call ends: by a balancer, by its age, with its function.
      inner.subscribe((event) => {
        if (event.kind !== 'ended') return;
        if (event.state === 'success') count('mq_completed');
        if (event.state === 'dead') count('mq_dead');
        if (event.state === 'cancelled') count('mq_cancelled');
      }),
      readWhenExported('mq_calls', () => {
        this.readSoon();
        const { stats } = this;
        return stats === undefined ? [] : STATES.map((state) => ({ value: stats[state], attributes: { state } }));
      }),
      readWhenExported('mq_oldest_age_seconds', () =>
        this.stats === undefined ? [] : [{ value: (this.stats.oldestAgeMs ?? 0) / 1000 }],
      ),
      readWhenExported('callback_oldest_age_seconds', () =>
        this.stats === undefined ? [] : [{ value: (this.stats.oldestDeliveryAgeMs ?? 0) / 1000 }],
      ),
    ];
  }

  /** Reads what the gauges show; they keep their values if that takes too long or fails. Never rejects. */
  async refresh(): Promise<void> {
    this.reading ??= this.read();
    const { reading } = this;
    await new Promise<void>((resolve) => {
      const timer = this.clock.after(MAX_READ_MS, resolve);
      void reading.then(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  end(): void {
    for (const end of this.ends) end();
  }

  /** For exporters that push: they export the values of their previous turn. */
  private readSoon(): void {
    if (this.reading === undefined && this.clock.now() >= later(this.readAt, REST_MS)) this.reading = this.read();
  }

  private async read(): Promise<void> {
    try {
      this.stats = await this.inner.stats();
    } catch {
      // Whoever uses the queue learns why.
    } finally {
      this.readAt = this.clock.now();
      this.reading = undefined;
    }
  }
}

function counted(queue: MessageQueue): MessageQueue {
  return {
    async push(message) {
      const answer = await queue.push(message);
      count(answer.duplicate ? 'mq_duplicates' : 'mq_accepted');
      return answer;
    },
    async reserve(request, signal) {
      const deliveries = await queue.reserve(request, signal);
      count('mq_delivered', deliveries.length);
      count('mq_redelivered', deliveries.filter(({ attempt }) => attempt > 1).length);
      return deliveries;
    },
    async retry(lease, failure) {
      const answer = await queue.retry(lease, failure);
      if (answer.kind === 'retried') count('mq_retried');
      return answer;
    },
    extend: (lease, leaseMs) => queue.extend(lease, leaseMs),
    complete: (lease, result) => queue.complete(lease, result),
    giveBack: (lease, restMs) => queue.giveBack(lease, restMs),
    bury: (lease, reason) => queue.bury(lease, reason),
    cancel: (callId) => queue.cancel(callId),
    buryFunction: (fnId, reason) => queue.buryFunction(fnId, reason),
    configure: (fnId, limits) => queue.configure(fnId, limits),
    get: (callId) => queue.get(callId),
    payload: (callId) => queue.payload(callId),
    result: (callId) => queue.result(callId),
    log: (callId) => queue.log(callId),
    list: (query) => queue.list(query),
    redrive: (selection) => queue.redrive(selection),
    purge: (selection) => queue.purge(selection),
    stats: () => queue.stats(),
    save: queue.save && (() => queue.save?.() as ReturnType<NonNullable<MessageQueue['save']>>),
    subscribe: (listener) => queue.subscribe(listener),
    close: () => queue.close(),
  };
}
