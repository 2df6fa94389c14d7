import { randomUUID } from 'node:crypto';
import { CancelledError, type Clock, Deferred, decodeFrames, type Frame, MIB, type Timer } from '@fnfleet/core';
import type {
  CallResult,
  Delivery,
  Failure,
  Lease,
  LeaseLost,
  Reason,
  ReserveRequest,
  RetryAnswer,
} from '@fnfleet/queue';
import type { ApiNode } from '../lookup/api-node.js';
import type { CallSource } from './call-queues.js';
import { EndReports, type Reservation } from './end-reports.js';
import { asked, MAX_RESERVED, NO_BODY, namesOf, readable } from './queue-messages.js';
import type { QueueRequests } from './queue-requests.js';

/** How long a reservation that was ended may take to answer. */
const END_MS = 2_000;
/**
 * How long the end of a call waits for others, and for how many at most: a request and a transaction for many cost as much as for
 * few.
 */
const GATHER_MS = 20;
const GATHERED = 256;
/** Ends of calls that travel in one request; an API node accepts 1000, and 16 MiB. */
const MAX_BATCH = 400;
const MAX_BATCH_BYTES = 4 * MIB;

interface Waiting {
  readonly frame: Frame;
  readonly answer: Deferred<unknown>;
}

/** The queue of one API node. What is reported at about the same time travels together. */
export class ApiQueue implements CallSource {
  private waiting: Waiting[] = [];
  /** Calls of it whose end has not been reported. */
  private leased = 0;
  /** Reservations that travel with ends, and have not been answered: there will be more calls. */
  private reserving = 0;
  private isUrgent = false;
  private isSending = false;
  private timer: Timer | undefined;
  private readonly reports: EndReports;

  constructor(
    private readonly requests: QueueRequests,
    private readonly node: ApiNode,
    private readonly clock: Clock,
  ) {
    this.reports = new EndReports(requests, node);
  }

  async reserve(request: ReserveRequest, signal?: AbortSignal): Promise<readonly Delivery[]> {
    const isTogether = this.waiting.length > 0 && this.reports.mayReserve && !request.waitMs && !signal?.aborted;
    // They share a transaction.
    if (!isTogether && this.waiting.length > 0 && !this.isSending) void this.sendAll();
    const leased = isTogether ? this.reserveWithEnds(request, signal) : this.reserveAlone(request, signal);
    const deliveries = await leased;
    this.leased += deliveries.length;
    return deliveries;
  }

  private async reserveAlone(request: ReserveRequest, signal?: AbortSignal): Promise<readonly Delivery[]> {
    const { waitMs = 0 } = request;
    const leave = this.requests.enter();
    const ending = new AbortController();
    const poll = randomUUID();
    let timer: Timer | undefined;
    // Calls in a response that nobody reads would be lost until their leases expire.
    const end = () => {
      timer = this.clock.after(END_MS, () => ending.abort());
      this.endPoll(poll);
    };
    signal?.addEventListener('abort', end, { once: true });
    if (signal?.aborted) end();
    try {
      const bytes = Buffer.from(JSON.stringify({ ...asked(request), wait_ms: waitMs, poll }));
      const answer = await this.requests.post(this.node, 'reserve', bytes, { signal: ending.signal, waitMs });
      return decodeFrames(answer, MAX_RESERVED).flatMap(readable);
    } finally {
      signal?.removeEventListener('abort', end);
      timer?.cancel();
      leave();
    }
  }

  private async reserveWithEnds(request: ReserveRequest, signal?: AbortSignal): Promise<readonly Delivery[]> {
    const leased = new Deferred<readonly Delivery[]>();
    const tooLate = new Deferred<never>();
    this.reserving += 1;
    let timer: Timer | undefined;
    const giveUp = () => {
      tooLate.reject(new CancelledError('the reservation takes too long'));
      leased.promise.then((calls) => this.giveAllBack(calls), ignore);
    };
    const end = () => {
      timer = this.clock.after(END_MS, giveUp);
    };
    signal?.addEventListener('abort', end, { once: true });
    // Beside a request that is under way: a reservation that waited for its answer would often come too late.
    void this.sendBatch({ request, leased });
    if (this.waiting.length > 0) this.sendSoon();
    try {
      return await Promise.race([leased.promise, tooLate.promise]);
    } finally {
      this.reserving -= 1;
      signal?.removeEventListener('abort', end);
      timer?.cancel();
    }
  }

  /** Nobody waits for them any more, and nobody else gets them before their leases expire. */
  private giveAllBack(calls: readonly Delivery[]): void {
    for (const { lease } of calls) this.send({ ...namesOf(lease), kind: 'give_back' }).catch(ignore);
  }

  extend(lease: Lease, leaseMs: number): Promise<{ readonly kind: 'extended' } | LeaseLost> {
    return this.send({ ...namesOf(lease), kind: 'extend', lease_ms: leaseMs }) as ReturnType<CallSource['extend']>;
  }

  complete(lease: Lease, { head, body, log }: CallResult): Promise<{ readonly kind: 'completed' } | LeaseLost> {
    return this.settle(lease, { kind: 'complete', head, log }, body);
  }

  retry(lease: Lease, { kind, code, message, afterMs, log }: Failure): Promise<RetryAnswer | LeaseLost> {
    return this.settle(lease, { kind: 'retry', blame: kind, code, message, after_ms: afterMs, log });
  }

  giveBack(lease: Lease, restMs?: number): Promise<{ readonly kind: 'givenBack' } | LeaseLost> {
    return this.settle(lease, { kind: 'give_back', rest_ms: restMs });
  }

  bury(lease: Lease, { code, message }: Reason): Promise<{ readonly kind: 'dead' } | LeaseLost> {
    return this.settle(lease, { kind: 'bury', code, message });
  }

  /** Makes a reservation that waits end soon. Travels with the ends of calls, which are often the reason. */
  endPoll(poll: string): void {
    this.isUrgent = true;
    // If that fails, the request is cut off.
    this.send({ kind: 'end_poll', poll }).catch(ignore);
  }

  /** Reports an end. */
  private settle<T>(lease: Lease, what: object, body?: Uint8Array): Promise<T> {
    this.leased = Math.max(0, this.leased - 1);
    return this.send({ ...namesOf(lease), ...what }, body) as Promise<T>;
  }

  private send(what: object, body: Uint8Array = NO_BODY): Promise<unknown> {
    const answer = new Deferred<unknown>();
    this.waiting.push({ frame: { head: JSON.stringify(what), body }, answer });
    this.sendSoon();
    return answer.promise;
  }

  private sendSoon(): void {
    if (this.isSending) return;
    if (!this.isEnough) {
      this.timer ??= this.clock.after(GATHER_MS, () => void this.sendAll());
      return;
    }
    this.isSending = true;
    this.timer?.cancel();
    setImmediate(() => void this.sendAll());
  }

  /** Whether it is not worth while to wait for others: if few calls run, few can end soon. */
  private get isEnough(): boolean {
    const mayEndSoon = this.reserving > 0 ? GATHERED : Math.min(GATHERED, this.leased);
    return this.isUrgent || this.waiting.length >= mayEndSoon;
  }

  private async sendAll(): Promise<void> {
    this.isSending = true;
    do await this.sendBatch();
    while (this.waiting.length > 0 && this.isEnough);
    this.isSending = false;
    if (this.waiting.length > 0) this.sendSoon();
  }

  /** Never rejects. */
  private async sendBatch(more?: Reservation): Promise<void> {
    this.timer?.cancel();
    this.timer = undefined;
    this.isUrgent = false;
    const batch = this.waiting.splice(0, batchSize(this.waiting));
    if (batch.length === 0) return;
    try {
      const ends = batch.map(({ frame }) => frame);
      const answers = await this.reports.send(ends, more);
      for (const [at, { answer }] of batch.entries()) answer.resolve(answers[at]);
    } catch (error) {
      for (const { answer } of batch) answer.reject(error);
    }
  }
}

function ignore(): void {}

function batchSize(waiting: readonly Waiting[]): number {
  let bytes = 0;
  const over = waiting.findIndex(({ frame }) => {
    bytes += frame.head.length + frame.body.length;
    return bytes > MAX_BATCH_BYTES;
  });
  return Math.min(MAX_BATCH, over === -1 ? waiting.length : Math.max(1, over));
}
