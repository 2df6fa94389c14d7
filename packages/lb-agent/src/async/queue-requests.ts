import { type Clock, FnError, InflightTracker, later, MIB, PeerError, parseBody } from '@fnfleet/core';
import type { ApiNode } from '../lookup/api-node.js';
import type { ApiNodes } from '../lookup/api-nodes.js';

/** Time for a response in addition to what a request waits for itself: at most, and at least. */
const SILENCE_MS = 10_000;
const LEAST_SILENCE_MS = 1_000;
const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 1_000;
const MAX_ANSWER_BYTES = 8 * MIB;

export interface QueueRequestsOptions {
  readonly nodes: ApiNodes;
  /** Of every request: the operator token. */
  readonly headers: Readonly<Record<string, string>>;
  /** Maximum size of a call. */
  readonly maxBodyBytes: number;
  readonly clock: Clock;
}

interface PostOptions {
  readonly signal?: AbortSignal | undefined;
  /** What the request waits for itself. */
  readonly waitMs?: number;
  readonly silenceMs?: number;
  readonly isPush?: boolean;
}

/** Requests to the routes of the API nodes for their queues. */
export class QueueRequests {
  /** Nodes that take a reservation together with ends of calls. They say so when they answer. */
  readonly reserveWithEnds = new WeakSet<ApiNode>();
  private readonly closing = new AbortController();
  private readonly inflight = new InflightTracker();

  constructor(private readonly options: QueueRequestsOptions) {}

  get nodes(): readonly ApiNode[] {
    return this.options.nodes.all;
  }

  /** `close` waits for what has begun. @returns a function that ends it */
  enter(): () => void {
    return this.inflight.enter();
  }

  /** Requests that are under way fail. */
  async close(): Promise<void> {
    this.closing.abort();
    await this.inflight.whenIdle();
  }

  /**
   * Asks one node after the other, and again after a pause, until one answers or the time is over. One that hangs takes no more
   * than its share of what is left of that time.
   * @param first whom to ask first, while it is a node
   */
  async untilAnswered<T>(
    limitMs: number,
    first: () => ApiNode | undefined,
    ask: (node: ApiNode, silenceMs: number) => Promise<T>,
  ): Promise<T> {
    const { clock } = this.options;
    const until = later(clock.now(), limitMs);
    let pauseMs = FIRST_PAUSE_MS;
    for (;;) {
      const failures: unknown[] = [];
      const nodes = this.inOrder(first());
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
  async post(
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

  private inOrder(first: ApiNode | undefined): readonly ApiNode[] {
    const order = this.options.nodes.order();
    return first !== undefined && order.includes(first) ? [first, ...order.filter((node) => node !== first)] : order;
  }
}

function messageIn(body: Buffer): string {
  try {
    return parseBody(body.toString()).text('message') ?? '';
  } catch {
    return '';
  }
}
