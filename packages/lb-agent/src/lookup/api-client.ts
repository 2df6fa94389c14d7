import {
  activeTrace,
  CancelledError,
  type Clock,
  FnError,
  InflightTracker,
  inSpan,
  type Logger,
  SpanKind,
  type TraceContext,
  traceHeaders,
} from '@fnfleet/core';
import { ApiQueues } from '../async/api-queues.js';
import type { CallQueues } from '../async/call-queues.js';
import type { ApiNode } from './api-node.js';
import { ApiNodes, type ApiNodesOptions } from './api-nodes.js';
import { ApiRead, type ReadFailure } from './api-read.js';
import { ChangeFeed } from './change-feed.js';
import type { ApiNodeStatus, ChangeListener } from './function-source.js';

const RETRIES = 5;
const RETRY_BASE_MS = 25;
const RETRY_STEP_MS = 50;
const DEFAULT_HEDGE_MS = 500;
/** Lookups that may ask a second node at the same time only because the first is slow. */
const MAX_HEDGES = 16;

export interface ApiClientOptions extends ApiNodesOptions {
  /** Sent as `Authorization: Bearer`. */
  readonly token?: string;
  /** How long a lookup waits for a node before it asks the next one as well, milliseconds. Default 500. */
  readonly hedgeMs?: number;
}

/** Reads from the API nodes: from any that answers, and with retries if none does. */
export class ApiClient {
  readonly nodes: ApiNodes;
  private readonly clock: Clock;
  private readonly random: () => number;
  private readonly hedgeMs: number;
  private readonly headers: Readonly<Record<string, string>>;
  private readonly closing = new AbortController();
  private readonly inflight = new InflightTracker();
  private readonly logger: Logger | undefined;
  private feed: ChangeFeed | undefined;
  private apiQueues: ApiQueues | undefined;
  private hedges = 0;

  /** @throws SettingsError when the text does not name API nodes */
  constructor(urls: string, options: ApiClientOptions) {
    this.nodes = new ApiNodes(urls, options);
    this.clock = options.clock;
    this.logger = options.logger;
    this.random = options.random ?? Math.random;
    this.hedgeMs = options.hedgeMs ?? DEFAULT_HEDGE_MS;
    this.headers = options.token === undefined ? {} : { authorization: `Bearer ${options.token}` };
  }

  /**
   * Reads what `understand` makes of the body of a successful answer; undefined for 404. Goes on with the next node
   * when one fails, is silent, or answers something that `understand` throws for; retries when all have failed.
   * @param path sent unchanged
   * @throws FnError `lookupUnavailable` when the last attempt failed, too; FnError `internal` when all API nodes refuse;
   *   the reason of the signal
   */
  read<T>(path: string, understand: (text: string) => T, signal: AbortSignal): Promise<T | undefined> {
    const leave = this.inflight.enter();
    const read = (trace: TraceContext) => this.readWithin(trace, path, understand, signal);
    return inSpan('hybrid_client_read', activeTrace(), read, { kind: SpanKind.CLIENT }).finally(leave);
  }

  /** The queues of asynchronous calls of the nodes. @param maxBodyBytes maximum size of a call */
  queues(maxBodyBytes: number): CallQueues {
    const { nodes, headers, clock } = this;
    this.apiQueues ??= new ApiQueues({ nodes, headers, clock, maxBodyBytes });
    return this.apiQueues;
  }

  /** Follows the changes at the nodes until closed. */
  follow(listener: ChangeListener): void {
    const { nodes, headers, clock, random, logger } = this;
    this.feed = new ChangeFeed({ nodes, headers, listener, clock, random, logger });
    this.feed.start();
  }

  /**
   * Checks access to every node with a single request that requires the right to look up functions. Never rejects.
   * @param timeoutMs time limit
   */
  async status(timeoutMs: number): Promise<readonly ApiNodeStatus[]> {
    const { preferred } = this.nodes;
    return Promise.all(
      this.nodes.all.map(async (node) => {
        const trouble = await this.troubleOf(node, timeoutMs);
        const feed = node === this.feed?.connectedTo;
        return { url: node.url, inUse: node === preferred, ...(feed && { feed }), ...(trouble && { trouble }) };
      }),
    );
  }

  /** Closes all connections; pending requests fail. */
  async close(): Promise<void> {
    this.closing.abort(new CancelledError());
    await this.feed?.close();
    await this.apiQueues?.close();
    await this.nodes.close();
    await this.inflight.whenIdle();
  }

  private async troubleOf(node: ApiNode, timeoutMs: number): Promise<string | undefined> {
    const leave = this.inflight.enter();
    const limit = new AbortController();
    const timer = this.clock.after(timeoutMs, () => limit.abort());
    const life = AbortSignal.any([limit.signal, this.closing.signal]);
    const path = '/v2/apps?per_page=1';
    try {
      const { status, text } = await node.get(path, this.headers, life);
      return status < 300 ? undefined : `GET ${path}: ${status} ${text.trim()}`;
    } catch (error) {
      return limit.signal.aborted ? `no answer within ${timeoutMs} ms` : `GET ${path}: ${(error as Error).message}`;
    } finally {
      timer.cancel();
      leave();
    }
  }

  private async readWithin<T>(
    trace: TraceContext,
    path: string,
    understand: (text: string) => T,
    signal: AbortSignal,
  ): Promise<T | undefined> {
    const headers = { ...this.headers, ...traceHeaders(trace) };
    const life = AbortSignal.any([signal, this.closing.signal]);
    const { nodes, clock, hedgeMs } = this;
    for (let retry = 0; ; retry += 1) {
      const read = new ApiRead({
        path,
        headers,
        understand,
        signal: life,
        nodes,
        clock,
        hedgeMs,
        enterHedge: this.enterHedge,
      });
      const result = await read.run();
      if (signal.aborted) throw signal.reason;
      if ('found' in result) return result.found;
      const { failures } = result;
      const mayPass = failures.length === 0 || failures.some(({ kind }) => kind === 'unavailable');
      if (!mayPass || retry === RETRIES || life.aborted) throw errorOf(failures, nodes);
      await clock.sleep(RETRY_BASE_MS + this.random() * (2 ** (retry + 1) - 1) * RETRY_STEP_MS, life);
      if (signal.aborted) throw signal.reason;
    }
  }

  /** @returns a function that ends the hedge; undefined when there are enough */
  private readonly enterHedge = (): (() => void) | undefined => {
    if (this.hedges >= MAX_HEDGES) return undefined;
    this.hedges += 1;
    return () => {
      this.hedges -= 1;
    };
  };
}

function errorOf(failures: readonly ReadFailure[], nodes: ApiNodes): FnError {
  const [first] = failures;
  if (first === undefined) return new FnError('lookupUnavailable', { cause: new Error(nodes.whyNone) });
  const told = failures.map(({ node, message }) => `${node.url}: ${message}`).join('; ');
  const cause = failures.length === 1 ? first : new Error(told, { cause: first });
  const refused = failures.every(({ kind }) => kind === 'refused');
  return new FnError(refused ? 'internal' : 'lookupUnavailable', { cause });
}
