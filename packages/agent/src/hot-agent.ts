import {
  type CallOutcome,
  type Clock,
  closeSpan,
  count,
  countCallsFromZero,
  countFromZero,
  type DrainResult,
  earliest,
  errorOf,
  FnError,
  failedCall,
  type IdGenerator,
  InflightTracker,
  type Logger,
  later,
  type MonoMs,
  nanoseconds,
  Once,
  openChildSpan,
  standbyOf,
  TurnoverMap,
  traceFields,
} from '@fnfleet/core';
import type { Driver, DriverHealth } from '@fnfleet/drivers';
import type { Agent, CallListener, HotFunction, PulledImage, Utilization } from './agent.js';
import { type AgentCall, throwIfEnded } from './call/agent-call.js';
import { buildCall, type CallOverrider, needOf } from './call/build-call.js';
import type { CallOption } from './call/call-options.js';
import { countUnstarted, endStarted, LoadCounter, openExecutionSpan } from './call/call-telemetry.js';
import { ContainerFactory } from './launch/container-factory.js';
import { LaunchGuard } from './launch/launch-limits.js';
import type { LogSink } from './output/log-sink.js';
import { Capacity } from './resources/capacity.js';
import { type Resources, ResourceTracker } from './resources/resource-tracker.js';
import type { AgentSettings } from './settings.js';
import { Evictor } from './slots/evictor.js';
import type { HotContainer, ServeOutcome } from './slots/hot-container.js';
import { SlotQueue } from './slots/slot-queue.js';

export interface HotAgentOptions {
  readonly driver: Driver;
  readonly settings: AgentSettings;
  readonly totals: Resources;
  readonly clock: Clock;
  readonly log: Logger;
  readonly ids: IdGenerator;
  readonly overrider: CallOverrider | undefined;
  readonly callOptions: readonly CallOption[];
  readonly listeners: readonly CallListener[];
  readonly logSinks: readonly LogSink[];
}

/** How many containers may turn out to be gone for one call. Then the call is refused, so that another runner can take it. */
const MAX_TRIES = 32;
/** How many of them may have been launched for this very call. Then the function is to blame. */
const MAX_STILLBORN = 2;

/** An agent that keeps containers hot, with one slot queue per slot key. */
export class HotAgent implements Agent {
  readonly ready: Promise<void>;
  readonly load = new LoadCounter();
  private readonly tracker: ResourceTracker;
  private readonly capacity: Capacity;
  private readonly factory: ContainerFactory;
  private readonly launchGuard: LaunchGuard;
  private readonly queues = new TurnoverMap<string, SlotQueue>();
  /** By function id, the queue of the version that was called last. */
  private readonly inUse = new TurnoverMap<string, SlotQueue>();
  private readonly calls: InflightTracker;
  private readonly listeners: CallListener[];
  private draining: Promise<DrainResult> | undefined;
  private readonly closing = new Once(() => this.closeOnce());
  private accepting = true;

  constructor(private readonly options: HotAgentOptions) {
    const { driver, settings, totals, clock } = options;
    this.ready = driver.ready;
    this.tracker = new ResourceTracker(totals);
    this.capacity = new Capacity(this.tracker, new Evictor(), settings.nonBlocking);
    this.factory = new ContainerFactory(options);
    this.calls = new InflightTracker(clock);
    this.listeners = [...options.listeners];
    countCallsFromZero();
    countFromZero('container_evictions', { container_state: 'idle' }, { container_state: 'paused' });
    countFromZero('log_lines');
    countFromZero('log_truncated_bytes');
    this.launchGuard = new LaunchGuard(driver.health, options.log, () => {
      for (const queue of [...this.queues.values()]) queue.launchesRefused();
    });
  }

  get utilization(): Utilization {
    const { used, totals } = this.tracker;
    return {
      memoryUsedBytes: used.memoryBytes,
      memoryTotalBytes: totals.memoryBytes,
      memoryIdleBytes: this.capacity.idleMemoryBytes,
      cpuUsedMillis: used.cpuMillis,
      cpuTotalMillis: totals.cpuMillis,
    };
  }

  get health(): DriverHealth {
    return this.launchGuard.health;
  }

  get hotFunctions(): readonly HotFunction[] {
    return [...this.queues.values()]
      .map(({ fnId, hotContainers: hot, counts }) => ({ fnId, hot, ...counts }))
      .filter(({ hot, starting, waiting }) => hot + starting + waiting > 0);
  }

  get imagePulls(): readonly PulledImage[] {
    const byImage = new Map<string, PulledImage>();
    for (const { imagePull: pull, image } of this.queues.values()) {
      if (pull !== undefined) {
        byImage.set(image, { image, receivedBytes: pull.receivedBytes, totalBytes: pull.totalBytes });
      }
    }
    return [...byImage.values()];
  }

  idleContainers(slotKey: string): number {
    return this.queues.get(slotKey)?.counts.idle ?? 0;
  }

  addCallListener(listener: CallListener): void {
    this.listeners.push(listener);
  }

  getCall(...options: CallOption[]): Promise<AgentCall> {
    const { callOptions, overrider, ids, clock } = this.options;
    return buildCall(options, {
      agentOptions: callOptions,
      overrider,
      newId: () => ids.next(clock.wallNow()),
      createdAt: clock.wallNow(),
      isPossible: (need) => this.tracker.isPossible(need),
      slotKeyExtension: this.options.driver.capabilities.slotKeyExtension,
    });
  }

  submit(call: AgentCall): Promise<void> {
    count('calls');
    this.calls.begin();
    return this.run(call);
  }

  drain({ graceMs }: { graceMs: number }): Promise<DrainResult> {
    this.draining ??= this.drainOnce(graceMs);
    return this.draining;
  }

  close(): Promise<void> {
    return this.closing.call();
  }

  /** Awaits no more than it has to: each `await` costs a promise for every call. */
  private async run(call: AgentCall): Promise<void> {
    const { clock } = this.options;
    const submittedAt = clock.now();
    let container: HotContainer;
    this.load.queued(1);
    const span = openChildSpan('agent_get_slot', call.trace);
    try {
      const claimed = this.claim(call);
      container = claimed instanceof Promise ? await claimed : claimed;
      const told = this.begin(call, container);
      if (told !== undefined) await told;
      if (span) closeSpan(span);
    } catch (error) {
      if (span) closeSpan(span, error);
      this.calls.end();
      call.body.discard();
      call.logSink.close();
      countUnstarted(error);
      throw error;
    } finally {
      this.load.queued(-1);
    }

    this.load.executing(1);
    const startedAt = clock.now();
    call.timings.schedulerNs = nanoseconds(startedAt - submittedAt);
    try {
      const closeExecution = openExecutionSpan(call);
      const served = await container.serve(call, this.executionDeadline(call));
      const outcome = served.kind === 'unsent' ? await this.serveElsewhere(call, served) : served;
      closeExecution?.(outcome);
      call.timings.executionNs = nanoseconds(clock.now() - startedAt);
      this.end(call, outcome);
      if (this.listeners.length > 0) await this.announceEnd(call);
      if (outcome.kind === 'failed') throw outcome.error;
    } finally {
      this.load.executing(-1);
      this.calls.end();
    }
  }

  /** An idle container of the function, or a promise of the next one. */
  private claim(call: AgentCall): HotContainer | Promise<HotContainer> {
    if (!this.accepting) throw new FnError('serverBusy');
    throwIfEnded(call, this.options.clock.now());
    const queue = this.queueFor(call);
    return queue.take() ?? queue.wait(call);
  }

  /** Starts the call. If that fails, the container is released for other calls. @returns a promise if there are listeners */
  private begin(call: AgentCall, container: HotContainer): Promise<void> | undefined {
    try {
      throwIfEnded(call, this.options.clock.now());
      call.model.startedAt = this.options.clock.wallNow();
      call.model.status = 'running';
    } catch (error) {
      container.release();
      throw error;
    }
    return this.listeners.length > 0 ? this.announceStart(call, container) : undefined;
  }

  private async announceStart(call: AgentCall, container: HotContainer): Promise<void> {
    try {
      for (const listener of this.listeners) await listener.beforeCall?.(call);
    } catch (error) {
      container.release();
      throw error;
    }
  }

  /**
   * Serves a call in another container than the one that received none of it: a container may have ended unnoticed. All containers
   * of a queue may have ended, as when the engine stops.
   */
  private async serveElsewhere(call: AgentCall, unsent: ServeOutcome): Promise<CallOutcome> {
    let outcome = unsent;
    let stillborn = 0;
    for (let tries = 1; outcome.kind === 'unsent'; tries += 1) {
      const { body, error } = outcome;
      this.options.log.debug('container is gone, moving its call to another', { callId: call.model.id, error });
      try {
        if (stillborn >= MAX_STILLBORN) throw error;
        if (tries >= MAX_TRIES) throw new FnError('serverBusy', { cause: error });
        throwIfEnded(call, this.options.clock.now());
        const queue = this.queueFor(call);
        const idle = queue.take();
        const container = idle ?? (await queue.wait(call));
        if (idle === undefined && !container.wasUsed) stillborn += 1;
        outcome = await container.serve({ ...call, body }, this.executionDeadline(call));
      } catch (cause) {
        body.discard();
        call.logSink.close();
        return failedCall(cause);
      }
    }
    return outcome;
  }

  private executionDeadline(call: AgentCall): MonoMs {
    const own = later(this.options.clock.now(), call.model.timeoutSeconds * 1000);
    return call.deadlineAt === undefined ? own : earliest(own, call.deadlineAt);
  }

  /** Runs once for each started call. */
  private end(call: AgentCall, outcome: CallOutcome): void {
    call.model.completedAt = this.options.clock.wallNow();
    endStarted(call.model, outcome);
    if (this.options.log.debugEnabled) {
      const { id, fnId, type, status } = call.model;
      const error = errorOf(outcome);
      this.options.log.debug('call ended', { callId: id, fnId, type, status, ...traceFields(call.trace), error });
    }
  }

  /** Errors of listeners are logged and otherwise ignored. */
  private async announceEnd(call: AgentCall): Promise<void> {
    for (const listener of this.listeners) {
      try {
        await listener.afterCall?.(call);
      } catch (cause) {
        this.options.log.error('call listener failed after a call', { callId: call.model.id, error: cause });
      }
    }
  }

  private queueFor(call: AgentCall): SlotQueue {
    const queue = this.queues.get(call.slotKey) ?? this.newQueue(call);
    queue.registryToken.note(call.extensions);
    if (this.inUse.get(queue.fnId) !== queue) this.putInUse(queue);
    return queue;
  }

  private putInUse(queue: SlotQueue): void {
    this.inUse.get(queue.fnId)?.setInUse(false);
    this.inUse.set(queue.fnId, queue);
    queue.setInUse(true);
  }

  private forget(queue: SlotQueue): void {
    this.queues.delete(queue.slotKey);
    if (this.inUse.get(queue.fnId) === queue) this.inUse.delete(queue.fnId);
  }

  private newQueue({ slotKey, model }: AgentCall): SlotQueue {
    const { clock, log, settings } = this.options;
    const queue: SlotQueue = new SlotQueue({
      slotKey,
      fnId: model.fnId,
      need: needOf(model),
      capacity: this.capacity,
      clock,
      refusal: this.launchGuard.refusal,
      log: log.child({ fnId: model.fnId }),
      standby: standbyOf(model.annotations),
      imageWaitMs: settings.imageWaitMs,
      idleTimeoutMs: Math.max(settings.queueIdleTimeoutMs, 2000 * model.idleTimeoutSeconds),
      create: (...parts) => this.factory.create(queue.registryToken, ...parts),
      onEmpty: () => this.forget(queue),
    });
    this.queues.set(slotKey, queue);
    return queue;
  }

  private async drainOnce(graceMs: number): Promise<DrainResult> {
    this.refuse();
    const result = await this.calls.whenIdle(graceMs);
    await this.close();
    return result;
  }

  /** Refuses new and waiting calls. Containers close as soon as they serve no call. */
  private refuse(): void {
    this.accepting = false;
    for (const queue of [...this.queues.values()]) queue.drain();
  }

  private async closeOnce(): Promise<void> {
    this.refuse();
    const queues = [...this.queues.values()].map((queue) => queue.close());
    // Concurrently: only a closing driver gives up on a container that its engine fails to remove.
    await Promise.all([...queues, this.options.driver.close()]);
    await this.calls.whenIdle();
    for (const sink of this.options.logSinks) sink.close();
    this.launchGuard.close();
    this.tracker.close();
  }
}
