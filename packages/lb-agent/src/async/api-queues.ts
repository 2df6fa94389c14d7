import { randomUUID } from 'node:crypto';
import {
  CancelledError,
  type Clock,
  Deferred,
  decodeFrames,
  encodeFrames,
  FnError,
  type Frame,
  InflightTracker,
  later,
  MIB,
  PeerError,
  parseBody,
  type Timer,
} from '@fnfleet/core';
import type {
  CallResult,
  Delivery,
  Failure,
  Lease,
  LeaseLost,
  NewMessage,
  Priority,
  PushAnswer,
  Reason,
  ReserveRequest,
  RetryAnswer,
} from '@fnfleet/queue';
import type { ApiNode } from '../lookup/api-node.js';
import type { ApiNodes } from '../lookup/api-nodes.js';
import type { CallQueues, CallSource } from './call-queues.js';

/** How long a call is handed in at one node after the other before its caller is told that no node has confirmed. */
const PUSH_MS = 5_000;
/** How long the end of a call is reported; then its lease is over, and it runs again. */
const SETTLE_MS = 30_000;
/** Time for a response in addition to what a request waits for itself: at most, and at least. */
const SILENCE_MS = 10_000;
const LEAST_SILENCE_MS = 1_000;
/** How long a reservation that was ended may take to answer. */
const END_MS = 2_000;
const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 1_000;
/**
 * How long the end of a call waits for others, and for how many at most: a request and a transaction for many cost as much as for
 * few.
 */
const GATHER_MS = 20;
const GATHERED = 256;
/** Ends of calls that travel in one request; an API node accepts 1000, and 16 MiB. */
const MAX_BATCH = 400;
const MAX_BATCH_BYTES = 4 * MIB;
const MAX_ANSWER_BYTES = 8 * MIB;
const MAX_RESERVED = 1_000;
const NO_BODY = new Uint8Array();

export interface ApiQueuesOptions {
  readonly nodes: ApiNodes;
  /** Of every request: the operator token. */
  readonly headers: Readonly<Record<string, string>>;
  /** Maximum size of a call. */
  readonly maxBodyBytes: number;
  readonly clock: Clock;
}

/** A reservation that travels with the ends of calls, and the calls that it leases. */
interface Reservation {
  readonly request: ReserveRequest;
  readonly leased: Deferred<readonly Delivery[]>;
}

interface PostOptions {
  readonly signal?: AbortSignal | undefined;
  /** What the request waits for itself. */
  readonly waitMs?: number;
  readonly silenceMs?: number;
  readonly isPush?: boolean;
}

/** The queues of the API nodes. A node that has none, or has not opened it, says so. */
export class ApiQueues implements CallQueues {
  private readonly closing = new AbortController();
  private readonly inflight = new InflightTracker();
  private readonly queues = new WeakMap<ApiNode, ApiQueue>();
  /** The node that has confirmed last is asked first. */
  private confirmed: ApiNode | undefined;

  constructor(private readonly options: ApiQueuesOptions) {}

  /** The same call may reach a node twice, which has no effect: its id says that it is the same. */
  async enqueue(message: NewMessage): Promise<PushAnswer> {
    const { callId, fnId, head, delayMs, idempotencyKey, body } = message;
    // The rest is decided where the call is accepted.
    const said = { call_id: callId, fn_id: fnId, head, delay_ms: delayMs, idempotency_key: idempotencyKey };
    const bytes = encodeFrames([{ head: JSON.stringify(said), body }]);
    const leave = this.inflight.enter();
    try {
      const answer = await this.untilAnswered(
        PUSH_MS,
        () => this.inOrder(this.confirmed),
        async (node, silenceMs) => {
          const text = (await this.post(node, 'calls', bytes, { isPush: true, silenceMs })).toString();
          this.confirmed = node;
          return parseBody(text);
        },
      );
      return { callId: answer.text('call_id') || callId, duplicate: answer.raw('duplicate') === true };
    } finally {
      leave();
    }
  }

  sources(): readonly CallSource[] {
    return this.options.nodes.all.map((node) => this.of(node));
  }

  private of(node: ApiNode): ApiQueue {
    const known = this.queues.get(node);
    const queue = known ?? new ApiQueue(this, node, this.options.clock);
    if (known === undefined) this.queues.set(node, queue);
    return queue;
  }

  async reserve(node: ApiNode, request: ReserveRequest, signal?: AbortSignal): Promise<readonly Delivery[]> {
    const { waitMs = 0 } = request;
    const leave = this.inflight.enter();
    const ending = new AbortController();
    const poll = randomUUID();
    let timer: Timer | undefined;
    // Calls in a response that nobody reads would be lost until their leases expire.
    const end = () => {
      timer = this.options.clock.after(END_MS, () => ending.abort());
      this.of(node).endPoll(poll);
    };
    signal?.addEventListener('abort', end, { once: true });
    if (signal?.aborted) end();
    try {
      const bytes = Buffer.from(JSON.stringify({ ...asked(request), wait_ms: waitMs, poll }));
      const answer = await this.post(node, 'reserve', bytes, { signal: ending.signal, waitMs });
      return decodeFrames(answer, MAX_RESERVED).flatMap(readable);
    } finally {
      signal?.removeEventListener('abort', end);
      timer?.cancel();
      leave();
    }
  }

  /**
   * Reports at the node from which the calls came, or at another one that has taken over its queue.
   * @param more of that node: it is asked for once, whatever becomes of the ends
   */
  async settle(origin: ApiNode, frames: readonly Frame[], more?: Reservation): Promise<readonly unknown[]> {
    const bytes = encodeFrames(frames);
    const leave = this.inflight.enter();
    let wanted = more;
    try {
      return await this.untilAnswered(
        SETTLE_MS,
        () => this.inOrder(origin),
        async (node, silenceMs) => {
          const reservation = node === origin ? wanted : undefined;
          wanted = undefined;
          // Another node would be asked for calls in its turn.
          if (reservation === undefined) more?.leased.reject(new FnError('queueUnavailable'));
          else return await this.settleAndReserve(node, frames, reservation, silenceMs);
          const answer = parseBody((await this.settleAt(node, bytes, silenceMs)).toString());
          this.of(node).reservesWithEnds = answer.raw('reserves') === true;
          return answersOf(answer, frames);
        },
      );
    } finally {
      more?.leased.reject(new FnError('queueUnavailable'));
      leave();
    }
  }

  /** One request and one transaction for both. */
  private async settleAndReserve(
    node: ApiNode,
    frames: readonly Frame[],
    { request, leased }: Reservation,
    silenceMs: number,
  ): Promise<readonly unknown[]> {
    const frame = { head: JSON.stringify({ kind: 'reserve', ...asked(request) }), body: NO_BODY };
    try {
      const bytes = await this.settleAt(node, encodeFrames([...frames, frame]), silenceMs);
      const [first, ...calls] = decodeFrames(bytes, MAX_RESERVED + 1);
      const answer = parseBody(first?.head ?? '');
      if (answer.raw('reserved') === true) leased.resolve(calls.flatMap(readable));
      else leased.reject(new FnError('queueUnavailable'));
      return answersOf(answer, frames);
    } catch (error) {
      // It may be an older node by now, which has refused all of it.
      this.of(node).reservesWithEnds = false;
      leased.reject(error);
      throw error;
    }
  }

  /** A queue that has no room for a moment is asked again. */
  private async settleAt(node: ApiNode, bytes: Buffer, silenceMs: number): Promise<Buffer> {
    try {
      return await this.post(node, 'settle', bytes, { silenceMs });
    } catch (error) {
      throw error instanceof PeerError ? new FnError('queueUnavailable', { cause: error }) : error;
    }
  }

  /** Requests that are under way fail. */
  async close(): Promise<void> {
    this.closing.abort();
    await this.inflight.whenIdle();
  }

  private inOrder(first: ApiNode | undefined): readonly ApiNode[] {
    const order = this.options.nodes.order();
    return first !== undefined && order.includes(first) ? [first, ...order.filter((node) => node !== first)] : order;
  }

  /**
   * Asks one node after the other, and again after a pause, until one answers or the time is over. One that hangs takes no more
   * than its share of what is left of that time.
   */
  private async untilAnswered<T>(
    limitMs: number,
    order: () => readonly ApiNode[],
    ask: (node: ApiNode, silenceMs: number) => Promise<T>,
  ): Promise<T> {
    const { clock } = this.options;
    const until = later(clock.now(), limitMs);
    let pauseMs = FIRST_PAUSE_MS;
    for (;;) {
      const failures: unknown[] = [];
      const nodes = order();
      for (const [asked, node] of nodes.entries()) {
        const shareMs = (until - clock.now()) / (nodes.length - asked);
        try {
          return await ask(node, Math.min(SILENCE_MS, Math.max(LEAST_SILENCE_MS, shareMs)));
        } catch (error) {
          failures.push(error);
        }
      }
      const refusal = failures.find((error) => error instanceof PeerError);
      if (refusal !== undefined) throw refusal;
      const unsupported = failures.filter((error) => error instanceof FnError && error.code === 'asyncUnsupported');
      if (failures.length > 0 && unsupported.length === failures.length) throw unsupported[0];
      if (this.closing.signal.aborted || later(clock.now(), pauseMs) >= until) {
        throw new FnError('queueUnavailable', { cause: failures[0] });
      }
      await clock.sleep(pauseMs, this.closing.signal);
      pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS);
    }
  }

  /**
   * @throws PeerError with which the queue refuses; FnError `asyncUnsupported` or `queueUnavailable` if this node has none now;
   *   Error if it does not answer
   */
  private async post(
    node: ApiNode,
    route: 'calls' | 'reserve' | 'settle',
    bytes: Buffer,
    { signal, waitMs = 0, silenceMs = SILENCE_MS, isPush = false }: PostOptions,
  ): Promise<Buffer> {
    const life = signal ? AbortSignal.any([signal, this.closing.signal]) : this.closing.signal;
    const { status, body, retryAfterSeconds } = await node.post(
      `/v2/runner/async/${route}`,
      this.options.headers,
      bytes,
      {
        signal: life,
        silenceMs: waitMs + silenceMs,
        maxBytes: Math.max(MAX_ANSWER_BYTES, this.options.maxBodyBytes + MIB),
        isPush,
      },
    );
    if (status === 200) return body;
    const message = messageIn(body);
    if (status === 204 || message === new FnError('queueUnavailable').message) throw new FnError('queueUnavailable');
    // An API node of Fn has no such route.
    if (status === 404 || message === new FnError('asyncUnsupported').message) throw new FnError('asyncUnsupported');
    if (status === 413) throw new PeerError(status, message, 'caller');
    if (status === 503) throw new PeerError(status, message, 'platform', '', retryAfterSeconds);
    throw new FnError('queueUnavailable', {
      cause: new Error(`${node.url} answered ${status} ${message.slice(0, 200)}`),
    });
  }
}

interface Waiting {
  readonly frame: Frame;
  readonly answer: Deferred<unknown>;
}

/** The queue of one API node. What is reported at about the same time travels together. */
class ApiQueue implements CallSource {
  private waiting: Waiting[] = [];
  /** Calls of it whose end has not been reported. */
  private leased = 0;
  /** Reservations that travel with ends, and have not been answered: there will be more calls. */
  private reserving = 0;
  private isUrgent = false;
  private isSending = false;
  private timer: Timer | undefined;
  /** Whether its node takes a reservation together with ends. It says so when it answers. */
  reservesWithEnds = false;

  constructor(
    private readonly queues: ApiQueues,
    private readonly node: ApiNode,
    private readonly clock: Clock,
  ) {}

  async reserve(request: ReserveRequest, signal?: AbortSignal): Promise<readonly Delivery[]> {
    const isTogether = this.reservesWithEnds && this.waiting.length > 0 && !request.waitMs && !signal?.aborted;
    // They share a transaction.
    if (!isTogether && this.waiting.length > 0 && !this.isSending) void this.sendAll();
    const leased = isTogether ? this.reserveWithEnds(request, signal) : this.queues.reserve(this.node, request, signal);
    const deliveries = await leased;
    this.leased += deliveries.length;
    return deliveries;
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
      const answers = await this.queues.settle(this.node, ends, more);
      for (const [at, { answer }] of batch.entries()) answer.resolve(answers[at]);
    } catch (error) {
      for (const { answer } of batch) answer.reject(error);
    }
  }
}

function ignore(): void {}

function asked({ holder, limit, leaseMs, perFunction, held }: ReserveRequest): object {
  const named = { holder, limit: Math.min(limit, MAX_RESERVED), lease_ms: leaseMs };
  return { ...named, per_function: perFunction, held: held && [...held] };
}

/** @throws FnError `queueUnavailable` if there is not one for each end */
function answersOf(said: ReturnType<typeof parseBody>, ends: readonly Frame[]): readonly unknown[] {
  const answers = said.raw('answers');
  if (!Array.isArray(answers) || answers.length !== ends.length) throw new FnError('queueUnavailable');
  return answers;
}

function namesOf({ callId, token }: Lease): object {
  return { call_id: callId, token };
}

function batchSize(waiting: readonly Waiting[]): number {
  let bytes = 0;
  const over = waiting.findIndex(({ frame }) => {
    bytes += frame.head.length + frame.body.length;
    return bytes > MAX_BATCH_BYTES;
  });
  return Math.min(MAX_BATCH, over === -1 ? waiting.length : Math.max(1, over));
}

/** A call that cannot be read is left to its lease: those that were leased together with it do not pay for it. */
function readable(frame: Frame): Delivery[] {
  try {
    return [deliveryOf(frame)];
  } catch {
    return [];
  }
}

/** @throws FnError `invalidJson` */
function deliveryOf({ head, body }: Frame): Delivery {
  const fields = parseBody(head);
  const callId = fields.text('call_id');
  const token = fields.text('token');
  const fnId = fields.text('fn_id');
  if (!callId || !token || !fnId) throw new FnError('invalidJson');
  return {
    lease: { callId, token },
    fnId,
    attempt: fields.whole('attempt', 1, 2 ** 31) ?? 1,
    priority: (fields.whole('priority', 0, 2) ?? 0) as Priority,
    ageMs: fields.whole('age_ms', 0, Number.MAX_SAFE_INTEGER) ?? 0,
    head: fields.text('head') ?? '{}',
    body,
  };
}

function messageIn(body: Buffer): string {
  try {
    return parseBody(body.toString()).text('message') ?? '';
  } catch {
    return '';
  }
}
