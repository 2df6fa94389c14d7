import { CancelledError, type Clock, count, FnError, type Logger, Once, observe } from '@fnfleet/core';
import type { Container, ContainerSpec, Driver, ExitResult } from '@fnfleet/drivers';
import type { AgentCall, CallTimings } from './agent-call.js';
import type { ContainerMetrics } from './container-metrics.js';
import type { Evictable } from './evictor.js';
import { FunctionConnection } from './function-connection.js';
import type { Exchange, ExchangeLimits } from './function-exchange.js';
import type { LaunchGate } from './launch-gate.js';
import { LazyTimer } from './lazy-timer.js';
import type { ContainerOutput } from './output/container-output.js';
import type { Resources, ResourceToken } from './resource-tracker.js';

/** What a hot container is made from, and with. Durations in milliseconds. */
export interface HotContainerOptions {
  readonly spec: ContainerSpec;
  /** What the container prints is told here which call it belongs to. */
  readonly output: ContainerOutput;
  readonly slotKey: string;
  readonly token: ResourceToken;
  readonly idleTimeoutMs: number;
  readonly pullTimeoutMs: number;
  readonly startTimeoutMs: number;
  readonly limits: ExchangeLimits;
  readonly driver: Driver;
  readonly gate: LaunchGate;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: ContainerMetrics;
  readonly owner: ContainerOwner;
}

/** Who hands out calls to the container. Called synchronously. */
export interface ContainerOwner {
  /** The container is idle, after serving a call for so many milliseconds or none. The owner may claim it at once. */
  idle(container: HotContainer, servedMs?: number): void;
  /** The container is no longer idle: claimed, or about to close. */
  idleEnded(container: HotContainer): void;
  /** Whether a call still waits for a container. Asked before the costly part of a launch. */
  isWanted(): boolean;
  /** The container and all it occupied are gone. */
  gone(container: HotContainer): void;
}

/** How long one launch keeps its place in the gate at most, milliseconds. */
const GATE_HOLD_MS = 1_000;

type State = 'creating' | 'starting' | 'idle' | 'busy' | 'closed';

/**
 * One container that serves call after call.
 *
 *   creating ──created──▶ starting ──socket open──▶ idle ⇄ busy
 *       └────────────┬────────┴────────────────────┴──┴──▶ closed
 *                 failure, exit, idle timeout, eviction, shutdown
 *
 * H1  It serves one call at a time: only an idle container can be claimed, and a claim is exclusive.
 * H2  It is offered to its owner each time idle begins, and taken back each time idle ends, whatever ends it.
 * H3  close() is the only way to `closed`: it waits for the driver to be done, then releases the resources, then tells
 *     the owner. Until then they count as occupied.
 * H4  A call that passes its deadline is answered at once; the container is closed behind its back.
 */
export class HotContainer implements Evictable {
  private state: State = 'creating';
  private container: Container | undefined;
  private connection: FunctionConnection | undefined;
  private exchange: Exchange | undefined;
  private opening: Promise<void> = Promise.resolve();
  /** It closes as soon as it would be idle. */
  private retiring = false;
  private readonly stop = new AbortController();
  private readonly idleTimer: LazyTimer;
  private readonly deadlineTimer: LazyTimer;
  private readonly closing = new Once(() => this.tearDown());

  constructor(private readonly options: HotContainerOptions) {
    this.idleTimer = new LazyTimer(options.clock, () => void this.close('idle timeout'));
    this.deadlineTimer = new LazyTimer(options.clock, () => this.exchange?.abort(new FnError('callTimeout')));
  }

  get id(): string {
    return this.options.spec.id;
  }

  get slotKey(): string {
    return this.options.slotKey;
  }

  get resources(): Resources {
    return this.options.token.resources;
  }

  /**
   * Makes, starts and offers the container. On failure it is closed, which is not waited for.
   * @returns false when it was not made after all, because nobody waits for it any more
   * @param timings of the call that needs it
   * @throws FnError what the caller should see; whatever the driver threw when it has no place in the error table
   */
  async launch(timings: CallTimings): Promise<boolean> {
    const launching = this.open(timings);
    this.opening = launching.catch(() => undefined);
    try {
      await launching;
    } catch (error) {
      void this.close('launch failed');
      if (error instanceof NotWanted) return false;
      throw error;
    }
    if (this.state !== 'starting') throw this.stop.signal.reason;
    this.beginIdle();
    return true;
  }

  /** idle → busy. False when somebody or something was faster. */
  claim(): boolean {
    if (this.state !== 'idle') return false;
    this.endIdle();
    this.state = 'busy';
    this.options.metrics.enter('busy');
    return true;
  }

  /** busy → idle, without having served. */
  release(): void {
    if (this.state === 'busy') this.finish(true);
  }

  /**
   * Serves a call; the container must have been claimed for it.
   * @param deadlineAt milliseconds since the epoch
   * @returns what to tell the caller, undefined when the answer has been written
   */
  async serve(call: AgentCall, deadlineAt: number): Promise<unknown> {
    const { connection } = this;
    const remainingMs = deadlineAt - this.options.clock.now();
    if (this.state !== 'busy' || connection === undefined) return unserved(call, new CancelledError());
    if (remainingMs <= 0) {
      this.finish(false);
      return unserved(call, new FnError('callTimeout'));
    }
    this.options.output.begin(call);
    this.exchange = connection.exchange(call, deadlineAt);
    this.deadlineTimer.set(remainingMs);
    const from = this.options.clock.now();
    const { error, reusable } = await this.exchange.end;
    this.options.output.end();
    this.deadlineTimer.clear();
    this.exchange = undefined;
    this.finish(reusable, this.options.clock.now() - from);
    return error;
  }

  evict(): void {
    count('container_evictions', 1, { container_state: 'idle' });
    this.options.token.announceRelease();
    void this.close('evicted');
  }

  /** Takes no more calls: closes now, or after the call in hand. */
  retire(): void {
    this.retiring = true;
    if (this.state !== 'busy') void this.close('retired');
  }

  /** Kills and removes; a call in hand fails as cancelled. Idempotent, never rejects. */
  close(reason: string): Promise<void> {
    if (!this.closing.called) this.options.log.debug('container closes', { containerId: this.id, reason });
    return this.closing.call();
  }

  private async open(timings: CallTimings): Promise<void> {
    const { spec, driver, gate, clock, metrics } = this.options;
    metrics.enter('start');
    const prepareFrom = clock.nowNs();
    const { pullNs } = await this.within(this.options.pullTimeoutMs, 'imagePullTimeout', (signal) =>
      driver.prepareImage(spec, signal),
    );
    const createFrom = clock.nowNs();
    timings.imagePullWaitNs = pullNs;
    timings.containerPrepareNs = Math.max(0, Number(createFrom - prepareFrom) - pullNs);

    const leaveGate = await gate.enter(this.stop.signal);
    // A function that takes its time to listen does not keep the others from being started.
    const timer = clock.after(GATE_HOLD_MS, leaveGate);
    try {
      const container = await this.createAndStart();
      const initFrom = clock.nowNs();
      timings.containerCreateNs = Number(initFrom - createFrom);
      await this.untilListening(container);
      timings.containerInitNs = Number(clock.nowNs() - initFrom);
      this.connection = new FunctionConnection(container.socketPath, this.options.limits, clock);
    } finally {
      timer.cancel();
      leaveGate();
    }
  }

  private async createAndStart(): Promise<Container> {
    const { driver, spec, owner } = this.options;
    if (!owner.isWanted()) throw new NotWanted();
    this.container = await driver.create(spec, this.stop.signal);
    this.stop.signal.throwIfAborted();
    this.state = 'starting';
    await this.container.start(this.stop.signal);
    return this.container;
  }

  /** Waits for the socket, the end of the process or the end of patience, whichever is first. */
  private async untilListening(container: Container): Promise<void> {
    const exit = container.wait().then(
      (result) => this.onExit(result),
      (error: unknown) => this.onExit(undefined, error),
    );
    const startedAt = this.options.clock.nowNs();
    let outcome = 'canceled';
    try {
      await this.within(this.options.startTimeoutMs, 'containerInitTimeout', (signal) =>
        Promise.race([container.listening(signal), exit.then((error) => Promise.reject(error))]),
      );
      outcome = 'initialized';
    } catch (error) {
      if (error instanceof FnError && error.code === 'containerInitTimeout') outcome = 'timedout';
      throw error;
    } finally {
      const ms = Number(this.options.clock.nowNs() - startedAt) / 1e6;
      observe('container_uds_init_latency', ms, { container_uds_state: outcome });
    }
  }

  /** The process has ended, or the engine cannot tell any more. Returns what that means for a launch in progress. */
  private onExit(result: ExitResult | undefined, cause?: unknown): FnError {
    const fields = { containerId: this.id, exitCode: result?.exitCode, outOfMemory: result?.outOfMemory, error: cause };
    if (this.state !== 'closed') this.options.log.info('function ended', fields);
    // An answer may still be in the socket: a call in hand ends by itself, when it reads to the end.
    if (this.state === 'idle' || this.state === 'busy') this.retire();
    return new FnError('containerInitFailed', { cause: cause ?? new Error(`exit code ${result?.exitCode}`) });
  }

  /** Runs one step of the launch with a limit in time; shutdown cuts it short. */
  private async within<T>(
    limitMs: number,
    code: 'imagePullTimeout' | 'containerInitTimeout',
    step: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const limit = new AbortController();
    const timer = this.options.clock.after(limitMs, () => limit.abort(new FnError(code)));
    const onStop = () => limit.abort(this.stop.signal.reason);
    this.stop.signal.addEventListener('abort', onStop, { once: true });
    try {
      this.stop.signal.throwIfAborted();
      return await step(limit.signal);
    } catch (error) {
      throw limit.signal.aborted ? limit.signal.reason : error;
    } finally {
      timer.cancel();
      this.stop.signal.removeEventListener('abort', onStop);
      // Whoever lost the race inside the step is told that nobody waits any more.
      limit.abort(new CancelledError());
    }
  }

  private finish(reusable: boolean, servedMs?: number): void {
    if (this.state !== 'busy') return;
    if (reusable && !this.retiring) this.beginIdle(servedMs);
    else void this.close(reusable ? 'retired' : 'cannot be used again');
  }

  private beginIdle(servedMs?: number): void {
    this.state = 'idle';
    this.options.metrics.enter('idle');
    this.idleTimer.set(this.options.idleTimeoutMs);
    this.options.owner.idle(this, servedMs);
  }

  private endIdle(): void {
    this.idleTimer.clear();
    this.options.owner.idleEnded(this);
  }

  private async tearDown(): Promise<void> {
    const { options } = this;
    if (this.state === 'idle') this.endIdle();
    this.state = 'closed';
    this.idleTimer.stop();
    this.deadlineTimer.stop();
    options.metrics.leave();
    this.stop.abort(new CancelledError());
    this.exchange?.abort(new CancelledError());
    await this.opening;
    await this.connection?.close();
    // A driver that fails here breaks its word; the room must come back nevertheless.
    await this.container
      ?.close()
      .catch((error: unknown) => options.log.error('driver cannot close container', { error }));
    options.output.close();
    options.token.release();
    options.owner.gone(this);
  }
}

/** By the time it could have been made, no call waited for the container. */
class NotWanted extends Error {}

/** A call that never got to the function. */
function unserved(call: AgentCall, error: Error): Error {
  call.body.discard();
  call.logSink.close();
  return error;
}
