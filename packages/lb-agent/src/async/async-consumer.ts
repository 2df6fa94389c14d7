import {
  CancelledError,
  type Clock,
  checkHeaders,
  closeSpan,
  count,
  countFromZero,
  Deferred,
  decodeQueuedRequest,
  describeError,
  ERRORS,
  type ErrorCode,
  FnError,
  InflightTracker,
  isServerBusy,
  LONG_AGO,
  type Logger,
  later,
  type MonoMs,
  NO_TRACE,
  openLinkedSpan,
  type QueuedRequest,
  readTraceParent,
  SpanKind,
  type Timer,
  type TraceContext,
  withActiveTrace,
} from '@fnfleet/core';
import type { FleetStatus } from '@fnfleet/placement';
import type { CallResult, Delivery, Failure, LeaseLost, Reason } from '@fnfleet/queue';
import { fromModel, withController, withPlacementLimit, withTrace, withWriter } from '../call/call-options.js';
import type { LbCall } from '../call/lb-call.js';
import { invokeHead, triggerHead } from '../http/response-head.js';
import type { LbAgent } from '../lb-agent.js';
import type { FunctionLookup } from '../lookup/function-lookup.js';
import type { CallSource, DequeueAccess } from './call-queues.js';
import { CallsAhead } from './calls-ahead.js';
import { CollectedResponse } from './collected-response.js';
import { FunctionShares, type Wanted } from './function-shares.js';
import { MAX_TURN_MS, type Pace } from './pace.js';

const LONG_POLL_MS = 20_000;
/** With several queues, how long one of them is asked before the next. */
const SHORT_POLL_MS = 1_000;
/** Pauses after a queue has failed or had none to offer: at first, and at most. */
const FIRST_REST_MS = 250;
const MAX_REST_MS = 15_000;
/** How often it looks whether there is room for asynchronous calls. */
const GATE_MS = 100;
const LEASE_MS = 30_000;
/** How long a call that was leased ahead may wait for its start. */
const MAX_AHEAD_MS = 250;
/** Ends that the queue has not confirmed, in addition to as many as may run. */
const UNCONFIRMED = 384;
/** Pause of a function after a call that no runner took, and of all functions if nothing is known about the runners. */
const UNPLACED_REST_MS = 1_000;
/** How long a call may look for a runner: sync calls wait longer, and get what becomes free. */
const PLACEMENT_MS = 1_000;
/** Share of memory and CPU of the fleet beyond which asynchronous calls wait. */
const FULL = 0.8;
const MAX_RESULT_BYTES = 64 * 1024;
/** The span name of Fn for an attempt. */
const SPAN = 'agent_async_run';

export interface AsyncConsumerParts {
  readonly agent: Pick<LbAgent, 'getCall' | 'submit' | 'fleetStatus'>;
  readonly lookup: Pick<FunctionLookup, 'byId'>;
  readonly queues: DequeueAccess;
  /** Maximum number of asynchronous calls at a time. */
  readonly limit: number;
  readonly pace: Pick<Pace, 'room' | 'start' | 'end' | 'free' | 'restMs' | 'isOpen' | 'turnCalls'>;
  /** How long it has a call unless it renews its lease; 30 s by default. */
  readonly leaseMs?: number | undefined;
  /** Who runs the calls, for their history. */
  readonly holder: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How the attempt of a call ended. */
type End =
  | { readonly kind: 'complete'; readonly result: CallResult }
  | { readonly kind: 'retry'; readonly failure: Failure }
  | { readonly kind: 'giveBack'; readonly pause: 'none' | 'function' | 'all' }
  | { readonly kind: 'bury'; readonly reason: Reason };

const ENDS: readonly End['kind'][] = ['complete', 'retry', 'giveBack', 'bury'];

type Answer = { readonly kind: string; readonly because?: LeaseLost['because'] };

/**
 * Runs asynchronous calls: takes them from the queues, places them like calls that clients wait for, and reports how they ended.
 *
 * A1  It takes calls only while no sync call waits and the fleet is less than 80 % full (agent-and-docker 93), and never more than
 *     its limit and its pace allow, nor of a function more than its share. Those that arrive later, because the queue had none, are
 *     given back. So are those for which it has not asked, and those that were leased ahead and cannot start soon.
 * A2  The lease of a call is renewed while the call runs. A call whose lease is lost runs on, and its end has no effect.
 * A3  A call that nothing of the fleet has run is given back, and does not count as an attempt. Its function pauses, and not
 *     those of others, for which there may be room.
 * A4  Failures of the platform do not count against a call.
 * A5  Calls of a turn of its pace are leased together, and their ends are reported together when the last one has ended, after 100 ms at
 *     the latest.
 */
export class AsyncConsumer {
  private readonly stopping = new AbortController();
  /** Calls that run, and those whose end is being reported. */
  private readonly inflight: InflightTracker;
  private readonly shares: FunctionShares;
  private readonly ahead: CallsAhead<CallSource, Delivery>;
  private aheadTimer: Timer | undefined;
  private restTimer: Timer | undefined;
  /** A5. Resolves when the ends of the calls of the present turn are to be reported. */
  private turnOver: { readonly reached: Deferred<void>; readonly timer: Timer } | undefined;
  /** Whether the queue seems to have more calls. */
  private hasMore = false;
  /** The loop goes on when fewer than these wait that were leased ahead. */
  private enoughAhead = 0;
  /** Whether the fleet had room, and until when that is taken for granted. */
  private hadRoom = false;
  private hadRoomUntil: MonoMs = LONG_AGO;
  /** Ends the wait for calls when others are wanted. */
  private asked: { readonly wanted: Wanted; readonly outdated: AbortController } | undefined;
  private readonly rests = new Map<CallSource, { until: MonoMs; failures: number }>();
  private restUntil: MonoMs = LONG_AGO;
  private turn = 0;
  private onFree: (() => void) | undefined;
  private readonly looped: Promise<void>;

  constructor(private readonly parts: AsyncConsumerParts) {
    this.inflight = new InflightTracker(parts.clock);
    this.shares = new FunctionShares(parts.limit);
    this.ahead = new CallsAhead(parts.clock);
    countFromZero('lb_async_running');
    countFromZero('lb_async_attempts', ...ENDS.map((end) => ({ end })));
    this.looped = parts.limit > 0 ? this.loop() : Promise.resolve();
  }

  /** Takes no more calls. Those that run go on. Idempotent. */
  stop(): void {
    this.stopping.abort();
    this.asked?.outdated.abort();
    this.giveBackAhead(0);
    this.aheadTimer?.cancel();
    this.restTimer?.cancel();
    this.endTurn();
    this.onFree?.();
  }

  /** Resolves when the calls that it has taken have ended and that is reported, after `stop`; or when the grace is over. */
  async whenIdle(graceMs: number): Promise<void> {
    await this.looped;
    await this.inflight.whenIdle(graceMs);
  }

  private async loop(): Promise<void> {
    const { clock, limit } = this.parts;
    const { signal } = this.stopping;
    while (!signal.aborted) {
      // While the queue is slow, ends that it has not confirmed do not pile up.
      if (this.inflight.size >= 2 * limit + UNCONFIRMED) await this.oneEnds(Number.POSITIVE_INFINITY);
      else if (clock.now() < this.restUntil) await clock.sleep(this.restUntil - clock.now(), signal);
      else await this.takeIfRoom();
    }
  }

  private async takeIfRoom(): Promise<void> {
    const { pace, clock } = this.parts;
    const { signal } = this.stopping;
    this.startAhead();
    const room = await this.room();
    if (signal.aborted) return;
    const aheadLimit = this.hasMore && this.hadRoom && pace.isOpen ? this.ahead.limit : 0;
    const isAhead = aheadLimit > 0;
    const now = this.shares.wanted();
    const wanted = isAhead ? this.shares.wanted(this.ahead.missing()) : now;
    const limit = Math.max(0, Math.min(room, now.limit)) + wanted.limit - now.limit;
    const { turnCalls } = pace;
    if (room > 0 && turnCalls !== undefined && turnCalls > 1) {
      if (this.ahead.size > 0) return this.oneEnds(0, this.gateMs());
      const most = { limit: turnCalls, perFunction: Math.max(turnCalls, now.perFunction) };
      return this.take({ ...now, ...most }, 'turn');
    }
    // One request for many calls costs as much as one for few.
    if (limit > 0 && 2 * limit >= aheadLimit) await this.take({ ...wanted, limit }, isAhead ? 'ahead' : 'now');
    // If none runs, none will end.
    else if (this.inflight.size === 0) await clock.sleep(this.gateMs(), signal);
    else if (isAhead) await this.oneEnds(aheadLimit / 2);
    else await this.oneEnds(Number.POSITIVE_INFINITY, limit === 0 && this.shares.free > 0 ? this.gateMs() : undefined);
  }

  /** Until there may be room again. */
  private gateMs(): number {
    return Math.min(GATE_MS, this.parts.pace.restMs() || GATE_MS);
  }

  /** A1. @returns how many more calls may start */
  private async room(): Promise<number> {
    const { limit, pace } = this.parts;
    return this.fleetHasRoom() ? pace.room(limit - this.shares.free) : 0;
  }

  private fleetHasRoom(): boolean {
    this.hadRoom = hasRoom(this.parts.agent.fleetStatus());
    this.hadRoomUntil = later(this.parts.clock.now(), GATE_MS);
    return this.hadRoom;
  }

  /** @param ahead or when fewer than these wait that were leased ahead @param maxMs or after this time */
  private async oneEnds(ahead: number, maxMs?: number): Promise<void> {
    this.enoughAhead = ahead;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.onFree = resolve;
    const timer = maxMs === undefined ? undefined : this.parts.clock.after(maxMs, resolve);
    await promise;
    timer?.cancel();
  }

  /** @param start when: if some of the calls have to wait for others to end, the queue is not asked to wait for calls; or as a turn */
  private async take(wanted: Wanted, start: 'now' | 'ahead' | 'turn'): Promise<void> {
    const { clock, holder, leaseMs = LEASE_MS } = this.parts;
    const { signal } = this.stopping;
    const ready = this.ready();
    const source = ready[this.turn++ % Math.max(1, ready.length)];
    if (source === undefined) return clock.sleep(FIRST_REST_MS, signal);
    const waitMs = start === 'ahead' ? 0 : ready.length > 1 ? SHORT_POLL_MS : LONG_POLL_MS;
    const outdated = new AbortController();
    const since = clock.now();
    this.asked = { wanted, outdated };
    try {
      const deliveries = await source.reserve({ holder, leaseMs, waitMs, ...wanted }, outdated.signal);
      this.rests.delete(source);
      const isEarly = clock.now() < later(since, waitMs / 2);
      if (deliveries.length === 0 && isEarly && !outdated.signal.aborted) this.rest(source, 0);
      this.hasMore = 2 * deliveries.length >= wanted.limit;
      const isLate = clock.now() >= later(since, GATE_MS);
      const room = Math.min(wanted.limit, isLate ? await this.room() : wanted.limit);
      // Those of a turn may wait while asynchronous calls are held back for a moment.
      const mayWait = room > 0 ? start !== 'now' : start === 'turn' && this.hadRoom;
      if (mayWait && start === 'turn' && deliveries.length > 1) this.beginTurn();
      if (mayWait) this.hold(source, deliveries);
      else for (const [index, delivery] of deliveries.entries()) this.start(source, delivery, index < room);
    } catch (error) {
      if (signal.aborted) return;
      this.rest(source, (this.rests.get(source)?.failures ?? 0) + 1);
      this.parts.logger.debug('no asynchronous calls can be taken', { error });
    } finally {
      this.asked = undefined;
    }
  }

  /** @param failures in a row; 0 if the queue has answered, and has not waited for a call: it is closed, or its node drains */
  private rest(source: CallSource, failures: number): void {
    const restMs = Math.min(MAX_REST_MS, FIRST_REST_MS * 2 ** Math.min(Math.max(0, failures - 1), 30));
    this.rests.set(source, { until: later(this.parts.clock.now(), restMs), failures });
  }

  /** Starts those that may start now; the others start when calls end. */
  private hold(source: CallSource, deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) this.ahead.add(source, delivery);
    this.startAhead();
    if (this.stopping.signal.aborted) this.giveBackAhead(0);
    this.watchAhead();
  }

  private startAhead(): void {
    const { limit, pace, clock } = this.parts;
    while (this.ahead.size > 0 && pace.free(limit - this.shares.free) > 0) {
      if (!(clock.now() < this.hadRoomUntil ? this.hadRoom : this.fleetHasRoom())) return;
      const call = this.ahead.next((fnId) => this.shares.admits(fnId));
      if (call === undefined) return;
      this.start(call.source, call.delivery, true);
    }
    const restMs = pace.restMs();
    if (this.ahead.size === 0 || restMs === 0 || this.stopping.signal.aborted) return;
    // Nothing else may happen until then.
    this.restTimer ??= clock.after(restMs, () => {
      this.restTimer = undefined;
      this.startAhead();
      this.wake();
    });
  }

  /** A5 */
  private beginTurn(): void {
    this.endTurn();
    if (this.stopping.signal.aborted) return;
    const timer = this.parts.clock.after(MAX_TURN_MS, () => this.endTurn());
    this.turnOver = { reached: new Deferred(), timer };
  }

  private endTurn(): void {
    const { turnOver } = this;
    this.turnOver = undefined;
    turnOver?.timer.cancel();
    turnOver?.reached.resolve();
  }

  /** Those that cannot start soon are for others. */
  private watchAhead(): void {
    if (this.ahead.size === 0) return;
    this.aheadTimer ??= this.parts.clock.after(MAX_AHEAD_MS, () => {
      this.aheadTimer = undefined;
      this.giveBackAhead(MAX_AHEAD_MS);
      this.watchAhead();
    });
  }

  private giveBackAhead(olderThanMs: number): void {
    for (const { source, delivery } of this.ahead.olderThan(olderThanMs)) this.start(source, delivery, false);
  }

  /** The queues that are not resting. Queues that are gone are forgotten. */
  private ready(): readonly CallSource[] {
    const all = this.parts.queues.sources();
    for (const source of this.rests.keys()) if (!all.includes(source)) this.rests.delete(source);
    const now = this.parts.clock.now();
    return all.filter((source) => (this.rests.get(source)?.until ?? LONG_AGO) <= now);
  }

  private start(source: CallSource, delivery: Delivery, hasRoom: boolean): void {
    this.inflight.begin();
    this.shares.begin(delivery.fnId);
    if (hasRoom) this.parts.pace.start();
    count('lb_async_running');
    void this.run(source, delivery, hasRoom).finally(() => {
      this.inflight.end();
      this.wake();
    });
  }

  /** Others may start while its end is reported. */
  private free(fnId: string): void {
    this.shares.end(fnId);
    count('lb_async_running', -1);
    this.startAhead();
    this.wake();
    if (this.asked !== undefined && this.shares.isOutdated(this.asked.wanted)) this.asked.outdated.abort();
  }

  private wake(): void {
    if (this.ahead.size > this.enoughAhead && !this.stopping.signal.aborted) return;
    this.onFree?.();
    this.onFree = undefined;
  }

  /** Never rejects. */
  private async run(source: CallSource, delivery: Delivery, hasRoom: boolean): Promise<void> {
    const { logger } = this.parts;
    const { lease, fnId, attempt } = delivery;
    const told = { callId: lease.callId, fnId, attempt };
    const endRenewal = this.renew(source, delivery);
    let end: End;
    try {
      const isUnwanted = !hasRoom || this.stopping.signal.aborted;
      end = isUnwanted ? { kind: 'giveBack', pause: 'none' } : await this.attempt(delivery);
    } catch (error) {
      end = this.endOf(error);
    } finally {
      endRenewal();
    }
    if (end.kind === 'complete' || end.kind === 'retry') this.ahead.ended(fnId);
    if (end.kind === 'giveBack' && end.pause === 'all')
      this.restUntil = later(this.parts.clock.now(), UNPLACED_REST_MS);
    count('lb_async_attempts', 1, { end: end.kind });
    try {
      const turnOver = hasRoom ? this.turnOver : undefined;
      // What it leads to travels with the report.
      const reported = turnOver === undefined ? report(source, delivery, end) : undefined;
      if (hasRoom) this.parts.pace.end(this.ahead.size > 0);
      this.free(fnId);
      if (this.shares.isIdle && this.ahead.size === 0) this.endTurn();
      await turnOver?.reached.promise;
      const answer = await (reported ?? report(source, delivery, end));
      if (answer.kind === 'leaseLost')
        logger[levelOf(answer)]('the end of an asynchronous call came too late', { ...told, why: answer.because });
      else logger.debug('asynchronous call ended', { ...told, end: end.kind, answer: answer.kind });
    } catch (error) {
      logger.warn('the end of an asynchronous call was not reported, so it may run again', { ...told, error });
    }
  }

  /** A2. @returns a function that ends it */
  private renew(source: CallSource, { lease, fnId }: Delivery): () => void {
    const { clock, logger, leaseMs = LEASE_MS } = this.parts;
    const renewMs = leaseMs / 3;
    let ended = false;
    let timer = clock.after(renewMs, extend);
    function extend(): void {
      source.extend(lease, leaseMs).then(
        (answer) => {
          if (ended) return;
          if (answer.kind === 'extended') timer = clock.after(renewMs, extend);
          else
            logger[levelOf(answer)]('the lease of an asynchronous call is lost while it runs', {
              callId: lease.callId,
              fnId,
              why: answer.because,
            });
        },
        (error: unknown) => {
          if (ended) return;
          logger.warn('the lease of an asynchronous call could not be renewed', { callId: lease.callId, fnId, error });
          timer = clock.after(renewMs, extend);
        },
      );
    }
    return () => {
      ended = true;
      timer.cancel();
    };
  }

  /** In a trace of its own: the request that accepted the call was answered long ago, and there may be several attempts. */
  private async attempt(delivery: Delivery): Promise<End> {
    const { lease, fnId, attempt, ageMs } = delivery;
    const request = decodeQueuedRequest(delivery.head);
    const opened = openLinkedSpan(SPAN, readTraceParent(request.trace), SpanKind.CONSUMER, {
      ...{ 'fn.call_id': lease.callId, 'fn.fn_id': fnId },
      ...{ 'fn.attempt': attempt, 'fn.queued_ms': ageMs },
    });
    if (opened === undefined) return this.runIn(NO_TRACE, request, delivery);
    const end = await this.runIn(opened.context, request, delivery).catch((error) => this.endOf(error));
    opened.span.setAttribute('fn.async_end', end.kind);
    closeSpan(
      opened,
      end.kind === 'retry' ? end.failure.message : end.kind === 'bury' ? end.reason.message : undefined,
    );
    return end;
  }

  /** @throws the error with which the call failed */
  private async runIn(
    trace: TraceContext,
    { method, url, headers, triggerId, createdAt }: QueuedRequest,
    { lease, fnId, attempt, body }: Delivery,
  ): Promise<End> {
    const { agent, lookup } = this.parts;
    // Only whoever sent it could send another one: it is not tried again.
    checkHeaders(headers);
    const controller = new AbortController();
    const template = await withActiveTrace(trace, () => lookup.byId(fnId, controller.signal));
    const attempted = { ...headers, 'Fn-Attempt': [String(attempt)] };
    const model = template.call({ id: lease.callId, type: 'async', method, url, headers: attempted, createdAt });
    const response = new CollectedResponse(MAX_RESULT_BYTES, triggerId === '' ? invokeHead : triggerHead);
    const call = await agent.getCall(
      fromModel({ ...model, triggerId }, Buffer.from(body.buffer, body.byteOffset, body.byteLength)),
      withWriter(response),
      withController(controller),
      withPlacementLimit(PLACEMENT_MS),
      withTrace(trace),
    );
    try {
      await agent.submit(call);
    } catch (error) {
      return this.endOf(error, logOf(call));
    }
    const { status } = response;
    const log = logOf(call);
    if (status < 500) return { kind: 'complete', result: { ...response.result(), log } };
    return {
      kind: 'retry',
      failure: { kind: 'function', code: 'functionFailed', message: `the function answered ${status}`, log },
    };
  }

  /** A3, A4 */
  private endOf(error: unknown, log?: string): End {
    const { status, message, blame, retryAfterSeconds } = describeError(error);
    const code = codeOf(error, status, message);
    if (code === 'fnNotFound' || code === 'appNotFound') return { kind: 'bury', reason: { code, message } };
    if (code === 'runnersUnknown' || code === 'lookupUnavailable') return { kind: 'giveBack', pause: 'all' };
    if (isServerBusy(error) || code === 'appOverShare') return { kind: 'giveBack', pause: 'function' };
    if (error instanceof CancelledError || blame === 'platform') {
      const afterMs = retryAfterSeconds === undefined ? undefined : 1_000 * retryAfterSeconds;
      return { kind: 'retry', failure: { kind: 'platform', code, message, afterMs, log } };
    }
    const kind = blame === 'caller' ? 'caller' : status === ERRORS.callTimeout.status ? 'timeout' : 'function';
    return { kind: 'retry', failure: { kind, code, message, log } };
  }
}

/** Somebody has wanted a call to be cancelled. */
function levelOf({ because }: Pick<Answer, 'because'>): 'debug' | 'warn' {
  return because === 'cancelled' ? 'debug' : 'warn';
}

/** Not every store takes NUL. */
function logOf({ log }: LbCall): string | undefined {
  return log === undefined || log === '' ? undefined : log.replaceAll('\0', '\uFFFD');
}

function report(source: CallSource, { lease }: Delivery, end: End): Promise<Answer> {
  switch (end.kind) {
    case 'complete':
      return source.complete(lease, end.result);
    case 'retry':
      return source.retry(lease, end.failure);
    case 'giveBack':
      return source.giveBack(lease, end.pause === 'function' ? UNPLACED_REST_MS : undefined);
    case 'bury':
      return source.bury(lease, end.reason);
  }
}

/** The code of the table; for what a runner has reported, that of the same text. */
function codeOf(error: unknown, status: number, message: string): ErrorCode {
  if (error instanceof FnError) return error.code;
  const known = Object.entries(ERRORS).find(([, entry]) => entry.status === status && entry.text === message);
  if (known !== undefined) return known[0] as ErrorCode;
  return status === ERRORS.functionFailed.status ? 'functionFailed' : 'internal';
}

/** A1. An empty list means that nothing is known about the runners, so a call finds out. */
export function hasRoom(status: FleetStatus | undefined): boolean {
  if (status === undefined) return true;
  if (status.waiting > 0) return false;
  if (status.runners.length === 0) return true;
  const usable = status.runners.filter(({ state, cordoned }) => state === 'ok' && !cordoned);
  if (usable.length === 0) return false;
  const sum = { memoryUsed: 0, memoryTotal: 0, cpuUsed: 0, cpuTotal: 0 };
  for (const { load } of usable) {
    // A runner that reports nothing has room as far as is known.
    if (load === undefined) return true;
    sum.memoryUsed += load.memoryUsedBytes - (load.memoryIdleBytes ?? 0);
    sum.memoryTotal += load.memoryTotalBytes;
    sum.cpuUsed += load.cpuUsedMillis;
    sum.cpuTotal += load.cpuTotalMillis;
  }
  return isBelow(sum.memoryUsed, sum.memoryTotal) && isBelow(sum.cpuUsed, sum.cpuTotal);
}

/** A total of 0 is no limit. */
function isBelow(used: number, total: number): boolean {
  return total === 0 || used < FULL * total;
}
