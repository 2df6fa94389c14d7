import {
  type Clock,
  count,
  countFromZero,
  encodeQueuedResponse,
  epochMs,
  FnError,
  InflightTracker,
  type Logger,
  TurnoverMap,
  VERSION,
} from '@fnfleet/core';
import type { Delivery, Failure, MessageQueue, Reason } from '@fnfleet/queue';
import type { Datastore } from '../datastore/datastore.js';
import { callbackCall, callbackJson, type EndedCall } from './callback-content.js';
import { type CallbackHosts, ForbiddenHost, hostOf, UnknownHost } from './callback-hosts.js';
import { type CallbackAnswer, postCallback } from './callback-request.js';
import type { CallbackSigner } from './callback-signature.js';
import { type Callback, decodeCallback, webhookId } from './follow-ups.js';

const LONG_POLL_MS = 20_000;
/** In addition to the time limit of a delivery. */
const LEASE_ROOM_MS = 10_000;
/** Pause after the queue has failed, or has answered without a delivery. */
const FAILED_REST_MS = 1_000;
const EMPTY_REST_MS = 20;
/** Pause of a function whose receiver has as many deliveries as it may have. */
const HOST_REST_MS = 1_000;
/** Part of the deliveries at a time that is kept for functions that have none. */
const KEPT = 1 / 4;
const MAX_RETRY_AFTER_MS = 3_600_000;
/** Functions whose callbacks call one another would go on for ever. */
const MAX_HOPS = 8;
const NO_BODY = Buffer.alloc(0);

export interface CallbackSenderParts {
  readonly queue: MessageQueue;
  readonly fns: Pick<Datastore['fns'], 'get'>;
  readonly hosts: CallbackHosts;
  readonly signer: CallbackSigner;
  readonly limits: CallbackLimits;
  /** Who delivers, for the history. */
  readonly holder: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Replaces the public certificate authorities. */
  readonly ca?: string | undefined;
}

export interface CallbackLimits {
  /** Maximum number of deliveries at a time; with 0, others deliver. */
  readonly atOnce: number;
  /** Maximum number of them for one function, and to one host. */
  readonly perHost: number;
  /** For the whole delivery, from the DNS to the response. */
  readonly timeoutMs: number;
}

/** How an attempt to deliver ended. */
type End =
  | { readonly kind: 'complete'; readonly status: number }
  | { readonly kind: 'retry'; readonly failure: Failure }
  | { readonly kind: 'giveBack'; readonly restMs: number }
  | { readonly kind: 'bury'; readonly reason: Reason };

/**
 * Delivers the outcomes of asynchronous calls to the targets that the owners of their functions have set.
 *
 * C1  A delivery has one id for all its attempts, and is attempted at least once, until a receiver accepts it.
 * C2  What a receiver does costs at most one connection for the time limit. A function, and a host, has at most `perHost` of them:
 *     receivers that hang do not hold up the deliveries of others. The last quarter of all is for functions that have none.
 * C3  Failures that a repetition can mend are retried as the policy of the delivery says. All others end it as a dead letter.
 */
export class CallbackSender {
  private readonly stopping = new AbortController();
  private readonly aborting = new AbortController();
  private readonly inflight: InflightTracker;
  private readonly perFunction = new TurnoverMap<string, number>();
  private readonly perHost = new TurnoverMap<string, number>();
  /** Ends a reservation that was asked for while a function had enough. */
  private poll = new AbortController();
  /** How many of a function it has asked for. */
  private asked = 0;
  private onFree: (() => void) | undefined;
  private readonly looped: Promise<void>;

  constructor(private readonly parts: CallbackSenderParts) {
    this.inflight = new InflightTracker(parts.clock);
    for (const to of ['url', 'fn']) countFromZero('callback_sent', { to });
    countFromZero('callback_running');
    countFromZero('callback_failed');
    countFromZero('callback_dead');
    this.looped = parts.limits.atOnce > 0 ? this.loop() : Promise.resolve();
  }

  /** Takes no more deliveries. Those that run go on. Idempotent. */
  stop(): void {
    this.stopping.abort();
    this.poll.abort();
    this.onFree?.();
  }

  /** Aborts what runs; it will be delivered again. Resolves when that is in the queue. Idempotent, never rejects. */
  async close(): Promise<void> {
    this.stop();
    this.aborting.abort();
    await this.looped;
    await this.inflight.whenIdle();
  }

  private async loop(): Promise<void> {
    const { clock, limits } = this.parts;
    const { signal } = this.stopping;
    while (!signal.aborted) {
      if (this.inflight.size >= limits.atOnce) {
        await new Promise<void>((resolve) => {
          this.onFree = resolve;
        });
        continue;
      }
      const restMs = await this.take();
      if (restMs > 0) await clock.sleep(restMs, signal);
    }
  }

  /** @returns how long to rest */
  private async take(): Promise<number> {
    const { queue, holder, limits, logger } = this.parts;
    const poll = new AbortController();
    const wanted = this.wanted();
    this.poll = poll;
    this.asked = wanted.perFunction;
    if (this.stopping.signal.aborted) return 0;
    try {
      const deliveries = await queue.reserve(
        {
          lane: 'deliveries',
          holder,
          ...wanted,
          held: new Map(this.perFunction),
          leaseMs: limits.timeoutMs + LEASE_ROOM_MS,
          waitMs: LONG_POLL_MS,
        },
        poll.signal,
      );
      for (const delivery of deliveries) this.start(delivery);
      return deliveries.length > 0 || poll.signal.aborted ? 0 : EMPTY_REST_MS;
    } catch (error) {
      if (!this.stopping.signal.aborted) logger.debug('no callbacks can be taken', { error });
      return FAILED_REST_MS;
    }
  }

  /** C2 */
  private wanted(): { readonly limit: number; readonly perFunction: number } {
    const { atOnce, perHost } = this.parts.limits;
    const free = atOnce - this.inflight.size;
    const shared = free - Math.floor(KEPT * atOnce);
    return shared > 0 ? { limit: shared, perFunction: perHost } : { limit: free, perFunction: 1 };
  }

  private start(delivery: Delivery): void {
    const { fnId } = delivery;
    this.inflight.begin();
    count('callback_running');
    add(this.perFunction, fnId, 1);
    void this.deliver(delivery).finally(() => {
      const had = this.perFunction.get(fnId);
      add(this.perFunction, fnId, -1);
      count('callback_running', -1);
      this.inflight.end();
      // The reservation that waits knows of as many as there were.
      if (had === this.asked || this.wanted().perFunction > this.asked) this.poll.abort();
      this.onFree?.();
      this.onFree = undefined;
    });
  }

  /** Never rejects. */
  private async deliver(delivery: Delivery): Promise<void> {
    const { queue, logger } = this.parts;
    const { lease, attempt } = delivery;
    const told = { delivery: lease.callId, attempt };
    try {
      const end = await this.attempt(delivery);
      switch (end.kind) {
        case 'complete': {
          const head = encodeQueuedResponse({ status: end.status, headers: {}, size: 0 });
          return void (await queue.complete(lease, { head, body: NO_BODY }));
        }
        case 'giveBack':
          return void (await queue.giveBack(lease, end.restMs));
        case 'bury':
          return this.died(await queue.bury(lease, end.reason), end.reason, told);
        case 'retry': {
          count('callback_failed');
          const { code, message } = end.failure;
          logger.debug('callback failed', { ...told, code, reason: message });
          return this.died(await queue.retry(lease, end.failure), end.failure, told);
        }
      }
    } catch (error) {
      logger.warn('the end of a callback was not recorded, so it will be delivered again', { ...told, error });
    }
  }

  private died({ kind }: { readonly kind: string }, { code, message }: Reason, told: object): void {
    if (kind !== 'dead') return;
    count('callback_dead');
    this.parts.logger.warn('callback was not delivered and is a dead letter', { ...told, code, reason: message });
  }

  private async attempt({ lease, head }: Delivery): Promise<End> {
    if (this.stopping.signal.aborted) return { kind: 'giveBack', restMs: 0 };
    let callback: Callback;
    try {
      callback = decodeCallback(head);
    } catch {
      return buried('callbackUnreadable', 'the delivery in the queue cannot be read');
    }
    const { target } = callback;
    try {
      if (target.kind === 'fn') return await this.callFunction(lease.callId, callback, target.fnId);
      return await this.sendTo(new URL(target.url), lease.callId, callback);
    } catch (error) {
      // The queue would refuse the same call again.
      if (error instanceof FnError && error.status < 500) return buried(error.code, error.message);
      return { kind: 'retry', failure: this.failureOf(error) };
    }
  }

  private async callFunction(deliveryId: string, callback: Callback, toFnId: string): Promise<End> {
    const { queue, fns, clock } = this.parts;
    if (callback.hops >= MAX_HOPS) {
      return buried(
        'callbackChainTooLong',
        `it is the outcome of the last of ${MAX_HOPS} callbacks that led to one another`,
      );
    }
    try {
      await fns.get(toFnId);
    } catch (error) {
      if (!(error instanceof FnError && error.code === 'fnNotFound')) throw error;
      return buried('fnNotFound', `there is no function ${toFnId}`);
    }
    const ended = await this.endedCall(callback);
    await queue.push(callbackCall(deliveryId, toFnId, callback, ended, clock.wallNow()));
    count('callback_sent', 1, { to: 'fn' });
    return { kind: 'complete', status: 202 };
  }

  private async sendTo(url: URL, deliveryId: string, callback: Callback): Promise<End> {
    const { signer, limits } = this.parts;
    if (!signer.isReady) return buried('callbackUnsigned', 'FN_CALLBACK_SECRET of the API nodes is not set');
    const host = hostOf(url);
    if ((this.perHost.get(host) ?? 0) >= limits.perHost) return { kind: 'giveBack', restMs: HOST_REST_MS };
    add(this.perHost, host, 1);
    try {
      return this.endOf(await this.answerOf(url, deliveryId, callback), host);
    } catch (error) {
      if (error instanceof ForbiddenHost) return buried('callbackForbidden', error.message);
      throw error;
    } finally {
      add(this.perHost, host, -1);
    }
  }

  /** @throws Error if there is no response within the time limit */
  private async answerOf(url: URL, deliveryId: string, callback: Callback): Promise<CallbackAnswer> {
    const { hosts, signer, limits, clock, ca } = this.parts;
    const late = new AbortController();
    const timer = clock.after(limits.timeoutMs, () => late.abort(new TimedOut()), { keepAlive: true });
    const signal = AbortSignal.any([late.signal, this.aborting.signal]);
    try {
      const ended = await this.endedCall(callback);
      const addresses = await untilAborted(hosts.addresses(url, signal), signal);
      const body = callbackJson(callback, ended, clock.wallNow());
      const seconds = Math.floor(epochMs(clock.wallNow()) / 1_000);
      const headers = {
        'Content-Type': 'application/json',
        'User-Agent': `fnfleet/${VERSION}`,
        ...signer.headers(callback.fnId, webhookId(deliveryId), seconds, body),
      };
      return await untilAborted(postCallback({ url, addresses, headers, body, ca }, clock, signal), signal);
    } finally {
      timer.cancel();
    }
  }

  private async endedCall({ callId, outcome, target }: Callback): Promise<EndedCall> {
    const { queue } = this.parts;
    const isFailure = outcome === 'error';
    return {
      record: await queue.get(callId),
      result: isFailure ? undefined : await queue.result(callId),
      request: isFailure && target.kind === 'fn' ? await queue.payload(callId) : undefined,
    };
  }

  /** C3 */
  private endOf({ status, retryAfter }: CallbackAnswer, host: string): End {
    if (status >= 200 && status < 300) {
      count('callback_sent', 1, { to: 'url' });
      return { kind: 'complete', status };
    }
    const message = `${host} answered ${status}`;
    if (status >= 500 || status === 408 || status === 425 || status === 429) {
      const afterMs = this.retryAfterMs(retryAfter);
      return { kind: 'retry', failure: { kind: 'function', code: 'callbackFailed', message, afterMs } };
    }
    const isRedirect = status >= 300 && status < 400;
    return buried('callbackRejected', isRedirect ? `${message}, and redirects are not followed` : message);
  }

  private retryAfterMs(text: string | undefined): number | undefined {
    if (text === undefined || text.length > 100) return undefined;
    const isSeconds = /^\d{1,9}$/.test(text);
    const ms = isSeconds ? 1_000 * Number(text) : Date.parse(text) - epochMs(this.parts.clock.wallNow());
    return Number.isNaN(ms) ? undefined : Math.min(MAX_RETRY_AFTER_MS, Math.max(0, ms));
  }

  private failureOf(error: unknown): Failure {
    const { aborted } = this.aborting.signal;
    if (aborted) return { kind: 'platform', code: 'cancelled', message: 'the API node was stopped meanwhile' };
    if (error instanceof TimedOut) {
      const message = `no response within ${this.parts.limits.timeoutMs} ms`;
      return { kind: 'timeout', code: 'callbackTimeout', message };
    }
    if (error instanceof FnError) return { kind: 'platform', code: error.code, message: error.message };
    const message = error instanceof UnknownHost ? error.message : `no response: ${reasonOf(error)}`;
    return { kind: 'function', code: 'callbackFailed', message };
  }
}

class TimedOut extends Error {}

function buried(code: string, message: string): End {
  return { kind: 'bury', reason: { code, message } };
}

/** The code of the system, of TLS or of the parser: texts may have what the receiver has sent. */
function reasonOf(error: unknown): string {
  const { code, name } = error as { code?: unknown; name?: unknown };
  return String(code ?? name ?? 'unknown error');
}

/** Settles with the reason of the signal when it aborts, whatever the promise does. */
async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function add(counts: TurnoverMap<string, number>, key: string, change: number): void {
  const next = (counts.get(key) ?? 0) + change;
  if (next === 0) counts.delete(key);
  else counts.set(key, next);
}
