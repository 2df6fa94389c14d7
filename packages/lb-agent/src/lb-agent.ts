import type { IncomingMessage } from 'node:http';
import {
  type Call,
  CancelledError,
  type Clock,
  count,
  countCallsFromZero,
  Deferred,
  type DrainResult,
  FnError,
  IdGenerator,
  InflightTracker,
  type Logger,
  MIB,
  Once,
  type Service,
  silentLogger,
  systemClock,
} from '@fnfleet/core';
import type { FleetStatus, HealthOptions, PlacementTiming, Placer, QueueLimits, RunnerPool } from '@fnfleet/placement';
import { countEnd, markEnd } from './call-end.js';
import type { LbCallListener } from './call-listener.js';
import type { LbCallDraft, LbCallOption } from './call-options.js';
import { type CallPlacement, FleetPlacement } from './call-placement.js';
import { DetachedResponse } from './detached-response.js';
import type { Explanation } from './explain/call-record.js';
import { ExplainLog } from './explain/explain-log.js';
import { openCallSpan } from './explain/trace-call.js';
import { LbCall } from './lb-call.js';
import { ReplayBudget } from './replay/replay-budget.js';

/** Places calls on runners. Embeddable: it knows no HTTP server and no way to look functions up. */
export interface LBAgent extends Service {
  /**
   * Builds a call from options, in the order given; then those of the agent; then its overrider has its say.
   * @throws whatever an option or the overrider throws; Error when no option set a model, body and writer
   */
  getCall(...options: LbCallOption[]): Promise<LbCall>;
  /**
   * Places a call. Resolves when its answer has been handed to the writer; for a detached call, when it has begun.
   * @throws FnError or PeerError with what to tell the caller; CancelledError when the caller went away;
   *   anything else is a failure of the platform
   */
  submit(call: LbCall): Promise<void>;
  /** Listeners run in the order they were added. */
  addCallListener(listener: LbCallListener): void;
  /** What became of a call that is under way or has ended a while ago. Undefined: it is not known, or not any more. */
  explain(callId: string): Explanation | undefined;
  /** What is seen of the runners; undefined where calls are not placed on any. */
  fleetStatus(): FleetStatus | undefined;
  /** Asks every runner how it is, for so long at most, milliseconds: `fleetStatus` then tells what they said. */
  askRunners(limitMs: number): Promise<void>;
  /**
   * Offers a runner nothing any more, or does again; the calls that it has go on. For as long as this process lives.
   * @returns false: there is no such runner
   */
  setCordoned(address: string, cordoned: boolean): boolean;
}

/**
 * May change a call just before it is placed.
 * @returns the extensions that travel with it
 */
export type CallOverrider = (
  request: IncomingMessage | undefined,
  model: Call,
  extensions: Record<string, string>,
) => Record<string, string> | Promise<Record<string, string>>;

export interface LBAgentOptions {
  readonly timing?: Partial<PlacementTiming>;
  /** Added to the deadline of a detached call, milliseconds. Default 360 000. */
  readonly executionHeadroomMs?: number;
  /** Bytes of a request body that are kept in memory for another attempt. Default 8 MiB. */
  readonly replayBufferBytes?: number;
  /** What the bodies of all calls may keep. Default: memory without a common limit, and no disk. */
  readonly replayBudget?: ReplayBudget;
  /** Largest request body, bytes. Default 0: no limit. */
  readonly maxRequestBytes?: number;
  readonly callOverrider?: CallOverrider;
  /** Applied to every call, after its own. */
  readonly callOptions?: readonly LbCallOption[];
  /** What may wait for a runner. Default: 10 000 calls, 256 MiB of bodies. */
  readonly queueLimits?: QueueLimits;
  /** When runners are taken out for failing. What is not given has its default. */
  readonly health?: Partial<HealthOptions>;
  /** Uniform, 0 to below 1, for pauses that differ. Default: Math.random. */
  readonly random?: () => number;
  /** How many calls that have ended `explain` can tell of. Default 1000; 0: none, nor those under way. */
  readonly explainCalls?: number;
  readonly ids?: Pick<IdGenerator, 'next'>;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** The pool becomes the agent's: closing the agent closes it. */
export function newLBAgent(pool: RunnerPool, placer: Placer, options: LBAgentOptions = {}): LBAgent {
  const { clock = systemClock, logger = silentLogger, random = Math.random } = options;
  const timing = placementTiming(options);
  const limits = options.queueLimits ?? { maxCalls: 10_000, maxBytes: 256 * MIB };
  const { health } = options;
  return newPlacingAgent(new FleetPlacement({ pool, placer, clock, timing, limits, health, random }, logger), options);
}

/** An agent whose calls go a way of their own. The placement becomes the agent's: closing the agent closes it. */
export function newPlacingAgent(placement: CallPlacement, options: LBAgentOptions = {}): LBAgent {
  return new PlacingAgent(placement, options);
}

function placementTiming({ timing = {} }: LBAgentOptions): PlacementTiming {
  return {
    placerTimeoutMs: timing.placerTimeoutMs ?? 360_000,
    detachedPlacerTimeoutMs: timing.detachedPlacerTimeoutMs ?? 30_000,
    retryAllDelayMs: timing.retryAllDelayMs ?? 10,
  };
}

/** A runner ends a cancelled call at once; one that does not must not keep the process from ending. */
const CANCEL_GRACE_MS = 5000;

class PlacingAgent implements LBAgent {
  readonly ready = Promise.resolve();
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly ids: Pick<IdGenerator, 'next'>;
  private readonly count: typeof count;
  /** What a detached call may take beside the timeout of its function. */
  private readonly detachedLimitMs: number;
  private readonly bodyLimits: LbCallDraft['bodyLimits'];
  private readonly inflight: InflightTracker;
  private readonly calls = new Set<LbCall>();
  private readonly listeners: LbCallListener[] = [];
  private readonly explainLog: ExplainLog;
  private gateClosed = false;
  private draining: Promise<DrainResult> | undefined;
  private readonly closing = new Once(() => this.shut());

  constructor(
    private readonly placement: CallPlacement,
    private readonly options: LBAgentOptions,
  ) {
    this.count = placement.countsCalls ? () => undefined : count;
    if (!placement.countsCalls) countCallsFromZero();
    this.clock = options.clock ?? systemClock;
    this.logger = options.logger ?? silentLogger;
    this.ids = options.ids ?? new IdGenerator();
    const headroomMs = options.executionHeadroomMs ?? 360_000;
    this.detachedLimitMs = placementTiming(options).detachedPlacerTimeoutMs + headroomMs;
    this.bodyLimits = {
      keepBytes: options.replayBufferBytes ?? 8 * MIB,
      maxBytes: options.maxRequestBytes ?? 0,
      budget: options.replayBudget ?? new ReplayBudget({ clock: this.clock, logger: this.logger }),
    };
    this.inflight = new InflightTracker(this.clock);
    this.explainLog = new ExplainLog(options.explainCalls ?? 1000, this.clock);
  }

  addCallListener(listener: LbCallListener): void {
    this.listeners.push(listener);
  }

  async askRunners(limitMs: number): Promise<void> {
    await this.placement.askRunners?.(limitMs);
  }

  fleetStatus(): FleetStatus | undefined {
    return this.placement.status?.();
  }

  setCordoned(address: string, cordoned: boolean): boolean {
    const known = this.placement.setCordoned?.(address, cordoned) ?? false;
    if (known)
      this.logger.info(cordoned ? 'a runner is cordoned' : 'a runner is no longer cordoned', { runner: address });
    return known;
  }

  explain(callId: string): Explanation | undefined {
    return this.explainLog.find(callId)?.explanation();
  }

  async getCall(...options: LbCallOption[]): Promise<LbCall> {
    const nowMs = this.clock.now();
    const draft: LbCallDraft = {
      extensions: {},
      newId: () => this.ids.next(nowMs),
      nowMs,
      bodyLimits: this.bodyLimits,
    };
    for (const option of options) option(draft);
    for (const option of this.options.callOptions ?? []) option(draft);

    const { body, response, request, requestId, controller = new AbortController() } = draft;
    if (draft.model === undefined || body === undefined) throw new Error('no model or request provided for call');
    if (response === undefined) throw new Error('no writer provided for call');
    let { model, extensions } = draft;
    const { trace } = draft;
    const { callOverrider } = this.options;
    if (callOverrider !== undefined || this.listeners.length > 0) {
      // Calls of one function share these; whoever may change them gets its own.
      model = { ...model, config: { ...model.config }, annotations: { ...model.annotations } };
    }
    if (callOverrider !== undefined) extensions = await callOverrider(request, model, extensions);
    const record = this.explainLog.newRecord(model, draft.explained ?? false);
    return new LbCall({ model, body, response, request, requestId, controller, extensions, record, trace });
  }

  async submit(call: LbCall): Promise<void> {
    if (this.gateClosed) {
      count('calls');
      count('server_busy');
      call.body.commit();
      throw new FnError('serverBusy');
    }
    this.count('calls');
    const leave = this.inflight.enter();
    this.calls.add(call);
    const done = () => {
      this.calls.delete(call);
      leave();
    };
    if (call.model.type === 'detached') return this.submitDetached(call, done);
    try {
      await this.run(call);
    } finally {
      done();
    }
  }

  /** The call goes on after its caller has been answered, up to a deadline of its own. */
  private async submitDetached(call: LbCall, done: () => void): Promise<void> {
    const acknowledged = new Deferred<void>();
    const response = new DetachedResponse(call.response, acknowledged.resolve);
    call.response = response;

    const limitMs = this.detachedLimitMs + call.model.timeoutSeconds * 1000;
    call.deadlineAt = this.clock.now() + limitMs;
    const deadline = this.clock.after(limitMs, () => call.cancel(new FnError('reservationExpired')));
    this.run(call)
      .then(() => response.finish())
      .catch((error: unknown) => {
        this.logger.debug('detached call failed', { callId: call.model.id, fnId: call.model.fnId, error });
        acknowledged.reject(error);
      })
      .finally(() => {
        deadline.cancel();
        done();
      });
    return acknowledged.promise;
  }

  private async run(call: LbCall): Promise<void> {
    const { record } = call;
    if (record) this.explainLog.begin(record);
    const closeSpan = openCallSpan(call);
    const error = await this.attempt(call);
    call.body.commit();
    if (record) {
      record.ended(error);
      this.explainLog.end(record);
    }
    closeSpan?.(error);
    if (!this.placement.countsCalls) countEnd(call, error, this.clock);
    if (error !== undefined) throw error;
  }

  /** @returns what the call failed with; undefined: it went well */
  private async attempt(call: LbCall): Promise<unknown> {
    this.count('queued');
    try {
      this.begin(call);
      for (const listener of this.listeners) await listener.beforeCall?.(call);
    } catch (error) {
      return error ?? new FnError('internal');
    } finally {
      this.count('queued', -1);
    }
    this.count('running');
    try {
      const error = await this.placement.place(call);
      markEnd(call.model, error, this.clock.now());
      if (this.listeners.length > 0) await this.announceEnd(call);
      return error;
    } finally {
      this.count('running', -1);
    }
  }

  private begin(call: LbCall): void {
    if (call.signal.aborted) throw call.signal.reason;
    call.model.startedAt = this.clock.now();
    call.model.status = 'running';
  }

  private async announceEnd(call: LbCall): Promise<void> {
    for (const listener of this.listeners) {
      try {
        await listener.afterCall?.(call);
      } catch (error) {
        this.logger.warn('a call listener failed', { callId: call.model.id, error });
      }
    }
  }

  drain({ graceMs }: { graceMs: number }): Promise<DrainResult> {
    this.draining ??= this.drainOnce(graceMs);
    return this.draining;
  }

  close(): Promise<void> {
    return this.closing.call();
  }

  private async drainOnce(graceMs: number): Promise<DrainResult> {
    this.gateClosed = true;
    const result = await this.inflight.whenIdle(graceMs);
    await this.close();
    return result;
  }

  private async shut(): Promise<void> {
    this.gateClosed = true;
    for (const call of this.calls) call.cancel(new CancelledError());
    const ended = await this.inflight.whenIdle(CANCEL_GRACE_MS);
    if (ended === 'expired') this.logger.warn('calls go on after being cancelled', { calls: this.inflight.size });
    await this.placement.close();
    await this.bodyLimits.budget.whenIdle(CANCEL_GRACE_MS);
  }
}
