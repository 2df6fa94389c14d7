import {
  type CallOutcome,
  CancelledError,
  type Clock,
  count,
  countCallsFromZero,
  Deferred,
  type DrainResult,
  describeError,
  errorOf,
  FnError,
  failedCall,
  IdGenerator,
  InflightTracker,
  KIB,
  type Logger,
  later,
  MIB,
  Once,
  silentLogger,
  systemClock,
  type Timer,
  TurnoverSet,
} from '@fnfleet/core';
import type { Explanation } from '@fnfleet/operator-api';
import type { FleetStatus, Outlook, PlacementTiming } from '@fnfleet/placement';
import { CallHistory } from '../explain/call-history.js';
import { openCallSpan } from '../explain/trace-call.js';
import { DetachedResponse } from '../http/detached-response.js';
import type { CallOverrider, CallPlacement, LbAgent, LbAgentOptions, LbCallListener } from '../lb-agent.js';
import { ReplayBudget } from '../replay/replay-budget.js';
import { countEnd, markEnd } from './call-end.js';
import type { LbCallDraft, LbCallOption } from './call-options.js';
import { LbCall } from './lb-call.js';

type CompleteDraft = LbCallDraft & Required<Pick<LbCallDraft, 'model' | 'body' | 'response'>>;

function isComplete(draft: LbCallDraft): draft is CompleteDraft {
  return draft.model !== undefined && draft.body !== undefined && draft.response !== undefined;
}

/** Options with defaults filled in. */
export function placementTiming({ timing = {} }: LbAgentOptions): PlacementTiming {
  return {
    placerTimeoutMs: timing.placerTimeoutMs ?? 360_000,
    detachedPlacerTimeoutMs: timing.detachedPlacerTimeoutMs ?? 30_000,
    retryAllDelayMs: timing.retryAllDelayMs ?? 10,
  };
}

/**
 * Time limit for cancelled calls: a runner ends them at once, and one that does not must not keep the process alive.
 */
const CANCEL_GRACE_MS = 5000;

/** Handles each call of an agent, independent of how it is placed. */
export class DefaultLbAgent implements LbAgent {
  readonly ready = Promise.resolve();
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly ids: Pick<IdGenerator, 'next'>;
  private readonly count: typeof count;
  /** Time that a detached call may take in addition to the timeout of its function. */
  private readonly detachedLimitMs: number;
  private readonly completeBodyBytes: number;
  private readonly bodyLimits: LbCallDraft['bodyLimits'];
  private readonly inflight: InflightTracker;
  private readonly calls = new TurnoverSet<LbCall>();
  private readonly listeners: LbCallListener[] = [];
  private readonly history: CallHistory;
  private gateClosed = false;
  private draining: Promise<DrainResult> | undefined;
  private readonly closing = new Once(() => this.closeOnce());

  constructor(
    private readonly placement: CallPlacement,
    private readonly options: LbAgentOptions,
  ) {
    this.count = placement.countsCalls ? () => undefined : count;
    if (!placement.countsCalls) countCallsFromZero();
    this.clock = options.clock ?? systemClock;
    this.logger = options.logger ?? silentLogger;
    this.ids = options.ids ?? new IdGenerator();
    const headroomMs = options.executionHeadroomMs ?? 360_000;
    this.detachedLimitMs = placementTiming(options).detachedPlacerTimeoutMs + headroomMs;
    this.completeBodyBytes = options.completeBodyBytes ?? 64 * KIB;
    this.bodyLimits = {
      keepBytes: options.replayBufferBytes ?? 8 * MIB,
      maxBytes: options.maxRequestBytes ?? 0,
      budget: options.replayBudget ?? new ReplayBudget({ clock: this.clock, logger: this.logger }),
    };
    this.inflight = new InflightTracker(this.clock);
    this.history = new CallHistory(options.explainCalls ?? 1000, this.clock);
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
    if (known) this.logger.info(cordoned ? 'runner cordoned' : 'runner uncordoned', { runner: address });
    return known;
  }

  explain(callId: string): Explanation | undefined {
    return this.history.find(callId)?.explanation();
  }

  /** Not an async function, which would allocate more for each call. */
  getCall(...options: LbCallOption[]): Promise<LbCall> {
    try {
      const draft = this.newDraft(options);
      const { callOverrider } = this.options;
      if (callOverrider === undefined) return Promise.resolve(this.complete(draft, draft.extensions));
      return this.overridden(draft, callOverrider);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  private async overridden(draft: CompleteDraft, override: CallOverrider): Promise<LbCall> {
    return this.complete(draft, await override(draft.request, draft.model, draft.extensions));
  }

  private newDraft(options: readonly LbCallOption[]): CompleteDraft {
    const createdAt = this.clock.wallNow();
    const draft: LbCallDraft = {
      arrivedAt: this.clock.now(),
      extensions: {},
      newId: () => this.ids.next(createdAt),
      createdAt,
      bodyLimits: this.bodyLimits,
    };
    for (const option of options) option(draft);
    for (const option of this.options.callOptions ?? []) option(draft);

    if (!isComplete(draft)) {
      const isWriterMissing = draft.model !== undefined && draft.body !== undefined;
      throw new Error(`no ${isWriterMissing ? 'writer' : 'model or request'} provided for call`);
    }
    if (this.options.callOverrider !== undefined || this.listeners.length > 0) {
      // Copied, because overriders and listeners may modify them, and calls of one function share them.
      const { model } = draft;
      draft.model = { ...model, config: { ...model.config }, annotations: { ...model.annotations } };
    }
    return draft;
  }

  private complete(draft: CompleteDraft, extensions: Readonly<Record<string, string>>): LbCall {
    const { model, arrivedAt, createdAt, explained = false, controller = new AbortController() } = draft;
    const history = this.history.newEntry(model, explained, createdAt, arrivedAt);
    return new LbCall(draft, extensions, controller, history);
  }

  submit(call: LbCall): Promise<void> {
    if (this.gateClosed) {
      count('calls');
      count('server_busy');
      call.body.commit();
      return Promise.reject(new FnError('serverBusy'));
    }
    this.count('calls');
    this.inflight.begin();
    this.calls.add(call);
    if (call.model.type === 'detached') return this.submitDetached(call);
    return this.run(call).then((outcome) => {
      this.done(call);
      if (outcome.kind === 'failed') throw outcome.error;
    });
  }

  async foresee(call: LbCall): Promise<Outlook> {
    try {
      if (this.gateClosed) throw new FnError('serverBusy');
      return await this.placement.outlook(call);
    } finally {
      call.body.commit();
    }
  }

  /** A detached call continues after its caller has been answered, up to its own deadline. */
  private async submitDetached(call: LbCall): Promise<void> {
    const acknowledged = new Deferred<void>();
    const response = new DetachedResponse(call.response, acknowledged.resolve);
    call.response = response;

    let deadline: Timer | undefined;
    const onArrived = () => {
      const limitMs = this.detachedLimitMs + call.model.timeoutSeconds * 1000;
      call.deadlineAt = later(this.clock.now(), limitMs);
      deadline = this.clock.after(limitMs, () => call.cancel(new FnError('reservationExpired')));
    };
    const onFailed = (error: unknown) => {
      this.reportDetached(call, response.isAcknowledged, error);
      acknowledged.reject(error);
    };
    this.run(call, onArrived)
      .then((outcome) => (outcome.kind === 'failed' ? onFailed(outcome.error) : response.finish()))
      .catch(onFailed)
      .finally(() => {
        deadline?.cancel();
        this.done(call);
      });
    return acknowledged.promise;
  }

  /** Logs a detached call that was acknowledged but did not run, because its caller is not informed. */
  private reportDetached({ model: { id, fnId } }: LbCall, acknowledged: boolean, error: unknown): void {
    const fields = { callId: id, fnId, error };
    if (acknowledged && describeError(error).blame === 'platform') this.logger.warn('detached call lost', fields);
    else this.logger.debug('detached call failed', fields);
  }

  private done(call: LbCall): void {
    this.calls.delete(call);
    this.inflight.end();
  }

  /** Never rejects. @param onArrived called when enough of the body has arrived */
  private async run(call: LbCall, onArrived?: () => void): Promise<CallOutcome> {
    const { history } = call;
    if (history) this.history.begin(history);
    const closeSpan = openCallSpan(call);
    this.count('queued');
    const upTo = call.model.type === 'detached' ? Number.POSITIVE_INFINITY : this.completeBodyBytes;
    let outcome: CallOutcome | undefined;
    try {
      const arriving = call.body.arrival?.(upTo, call.signal);
      if (arriving !== undefined) await arriving;
      onArrived?.();
      this.begin(call);
      for (const listener of this.listeners) await listener.beforeCall?.(call);
    } catch (thrown) {
      outcome = failedCall(thrown);
    }
    this.count('queued', -1);
    if (outcome === undefined) {
      this.count('running');
      try {
        outcome = await this.placement.place(call);
      } catch (thrown) {
        outcome = failedCall(thrown);
      }
      markEnd(call.model, outcome, this.clock.wallNow());
      if (this.listeners.length > 0) await this.announceEnd(call);
      this.count('running', -1);
    }
    call.body.commit();
    if (history) {
      history.ended(errorOf(outcome));
      this.history.end(history);
    }
    closeSpan?.(outcome);
    if (!this.placement.countsCalls) countEnd(call, outcome, this.clock);
    return outcome;
  }

  /** @throws why it does not */
  private begin(call: LbCall): void {
    call.signal.throwIfAborted();
    call.startedAt = this.clock.now();
    call.model.startedAt = this.clock.wallNow();
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

  private async closeOnce(): Promise<void> {
    this.gateClosed = true;
    for (const call of this.calls) call.cancel(new CancelledError());
    const ended = await this.inflight.whenIdle(CANCEL_GRACE_MS);
    if (ended === 'expired') this.logger.warn('cancelled calls have not ended', { calls: this.inflight.size });
    await this.placement.close();
    await this.bodyLimits.budget.whenIdle(CANCEL_GRACE_MS);
  }
}
