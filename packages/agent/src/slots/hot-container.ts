import {
  type CallOutcome,
  CancelledError,
  type Clock,
  COMPLETED,
  count,
  Deferred,
  earliest,
  FnError,
  type Logger,
  later,
  type MonoMs,
  Once,
  type RequestBody,
  wallAt,
} from '@fnfleet/core';
import type { Container, ContainerSpec, Driver, ExitResult, ImagePull, PreparedImage } from '@fnfleet/drivers';
import type { AgentCall, LaunchCause } from '../call/agent-call.js';
import { CallClock } from '../call/call-clock.js';
import { type ExchangeEnd, isLostFunction } from '../exchange/exchange-end.js';
import { exitWords } from '../exchange/exit-words.js';
import { FunctionConnection } from '../exchange/function-connection.js';
import type { Exchange, ExchangeLimits } from '../exchange/function-exchange.js';
import { LazyTimer } from '../exchange/lazy-timer.js';
import { ContainerLaunch, NotWanted } from '../launch/container-launch.js';
import type { ContainerMetrics } from '../launch/container-metrics.js';
import type { LaunchLimiter } from '../launch/launch-limits.js';
import type { ContainerOutput } from '../output/container-output.js';
import type { Resources, ResourceToken } from '../resources/resource-tracker.js';
import type { Evictable } from './evictor.js';
import { IdleFreezer } from './idle-freezer.js';

/** Durations in milliseconds. */
export interface HotContainerOptions {
  readonly spec: ContainerSpec;
  /** Attributes the output of the container to calls. */
  readonly output: ContainerOutput;
  readonly slotKey: string;
  readonly token: ResourceToken;
  readonly idleTimeoutMs: number;
  /** Idle time before it is frozen; Infinity: never. */
  readonly freezeAfterMs: number;
  readonly pullTimeoutMs: number;
  readonly startTimeoutMs: number;
  /** How long a caller may take to send the next `uploadMinBytes` of a body that the function is receiving. */
  readonly uploadStallMs: number;
  /** Bytes that a caller has to send per `uploadStallMs`. */
  readonly uploadMinBytes: number;
  readonly limits: ExchangeLimits;
  readonly driver: Driver;
  readonly limiter: LaunchLimiter;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: ContainerMetrics;
  readonly owner: ContainerOwner;
}

/** Assigns calls to the container. All methods are called synchronously. */
export interface ContainerOwner {
  /**
   * The container became idle. The owner may claim it at once.
   * @param servedMs how long it served a call; undefined if it served none
   */
  idle(container: HotContainer, servedMs?: number): void;
  /** The container is no longer idle: it was claimed or is about to close. */
  idleEnded(container: HotContainer): void;
  /** Whether an idle container must be kept past its idle timeout, for standby. */
  keeps(): boolean;
  /** The container serves no more calls. Its resources are released later. */
  closes(container: HotContainer): void;
  /** The container is gone and its resources are released. */
  gone(container: HotContainer): void;
}

/** How a container served a call. */
export type ServeOutcome =
  | CallOutcome
  /** The function received nothing: another container can take the call, with this body. */
  | { readonly kind: 'unsent'; readonly body: RequestBody; readonly error: unknown };

/** How long to wait for the exit of a process after its connection closed. The engine reports it a few milliseconds later. */
const EXIT_REPORT_MS = 1_000;

type State = 'launching' | 'idle' | 'busy' | 'closed';

/**
 * One container that serves one call after another.
 *
 *   launching ──socket open──▶ idle ⇄ busy
 *       └──────────────────────┴──┴──▶ closed
 *         failure, exit, idle timeout, eviction, shutdown
 *
 * H1  It serves one call at a time: only an idle container can be claimed, and a claim is exclusive.
 * H2  Its owner is notified each time it becomes idle and each time idleness ends, for whatever reason.
 * H3  close() is the only way to `closed`: it waits for the driver, then releases the resources, then notifies the owner.
 *     Until then the resources count as occupied.
 * H4  A call that times out (CallClock) is answered at once; the container is closed in the background.
 * H5  A frozen container is idle. A claim begins to thaw it; the request is written without waiting for that.
 * H6  When a call is lost because its function exited, the error says how the function exited, if the engine reports that
 *     within EXIT_REPORT_MS.
 */
export class HotContainer implements Evictable {
  private state: State = 'launching';
  private pull: ImagePull | undefined;
  private image: PreparedImage | undefined;
  private container: Container | undefined;
  private connection: FunctionConnection | undefined;
  private exchange: Exchange | undefined;
  /** The id of the current call. */
  private callId: string | undefined;
  private readonly exited = new Deferred<ExitResult | undefined>();
  private freezer: IdleFreezer | undefined;
  /** Why a claimed container cannot serve. */
  private broken: FnError | undefined;
  private opening: Promise<void> = Promise.resolve();
  private used = false;
  /** Closes as soon as it would become idle. */
  private draining = false;
  private readonly lifetime = new AbortController();
  private readonly idleTimer: LazyTimer;
  private readonly callClock: CallClock;
  private readonly closing = new Once(() => this.closeOnce());

  constructor(private readonly options: HotContainerOptions) {
    this.idleTimer = new LazyTimer(options.clock, () => this.idleLongEnough());
    this.callClock = new CallClock(options.clock, (who) => {
      this.exchange?.abort(new FnError(who === 'caller' ? 'requestTimeout' : 'callTimeout'));
    });
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

  /** The pull of its image, while that is in progress. */
  get imagePull(): ImagePull | undefined {
    return this.pull;
  }

  /** Whether it was used for a call, successful or not. */
  get wasUsed(): boolean {
    return this.used;
  }

  get isStandby(): boolean {
    return this.options.owner.keeps();
  }

  /**
   * Creates and starts the container, and offers it to its owner. On failure it is closed in the background.
   * @returns false when it was not created because no call needs it any more
   * @param cause the call that needs it
   * @param isWanted asked before the expensive part
   * @throws FnError with what the caller should see; an error of the driver that has no place in the error table
   */
  async launch(cause: LaunchCause, isWanted: () => boolean): Promise<boolean> {
    const launching = this.open(cause, isWanted);
    this.opening = launching.catch(() => undefined);
    try {
      await launching;
    } catch (error) {
      void this.close('launch failed');
      if (error instanceof NotWanted) return false;
      throw error;
    }
    if (this.state !== 'launching') throw this.lifetime.signal.reason;
    if (this.draining) {
      void this.close('ended at once');
      throw new FnError('containerInitFailed');
    }
    this.beginIdle();
    return true;
  }

  /** idle → busy. Returns false when it is no longer idle. */
  claim(): boolean {
    if (this.state !== 'idle') return false;
    this.endIdle();
    this.freezer?.idleEnds();
    this.state = 'busy';
    this.options.metrics.enter('busy');
    return true;
  }

  /** busy → idle, without having served a call. */
  release(): void {
    if (this.state === 'busy') this.finish(true);
  }

  /**
   * Serves a call; the container must have been claimed for it.
   * @param deadlineAt when the function's time ends if its request is sent now
   */
  serve(call: AgentCall, deadlineAt: MonoMs): Promise<ServeOutcome> {
    const { connection } = this;
    const remainingMs = deadlineAt - this.options.clock.now();
    if (this.state !== 'busy' || connection === undefined) return unserved(call, new CancelledError());
    if (this.broken) {
      this.finish(false);
      return Promise.resolve({ kind: 'unsent', body: call.body, error: this.broken });
    }
    if (remainingMs <= 0) {
      this.finish(false);
      return unserved(call, new FnError('callTimeout'));
    }
    this.used = true;
    this.options.output.begin(call);
    this.callId = call.model.id;
    const { clock, uploadStallMs, uploadMinBytes } = this.options;
    // Before the exchange begins, because it may reach its body synchronously.
    this.callClock.begin({
      functionMs: remainingMs,
      callerMs: uploadStallMs,
      callerBytes: uploadMinBytes,
      deadlineAt: call.deadlineAt,
    });
    const streamedUntil = later(deadlineAt, uploadStallMs);
    const deadlines = {
      complete: wallAt(deadlineAt, clock),
      streamed: wallAt(call.deadlineAt === undefined ? streamedUntil : earliest(streamedUntil, call.deadlineAt), clock),
    };
    this.exchange = connection.exchange(call, deadlines, this.callClock);
    const from = this.options.clock.now();
    return this.exchange.end.then((end) =>
      isLostWithFunction(end) ? this.withExit(end).then((known) => this.served(known, from)) : this.served(end, from),
    );
  }

  private served(end: ExchangeEnd, from: MonoMs): ServeOutcome {
    if (end.unsent) this.options.output.handOn();
    else this.options.output.end();
    this.callClock.end();
    this.exchange = undefined;
    this.callId = undefined;
    this.finish(end.reusable, this.options.clock.now() - from);
    return outcomeOf(end);
  }

  evict(): void {
    count('container_evictions', 1, { container_state: this.freezer?.isFrozen ? 'paused' : 'idle' });
    this.options.token.announceRelease();
    void this.close('evicted');
  }

  /** Takes no more calls: closes now, or after the current call. Does not wait for that. */
  drain(): void {
    this.draining = true;
    if (this.state !== 'busy') void this.close('drained');
  }

  /** Kills and removes the container; the current call fails as cancelled. Idempotent, never rejects. */
  close(reason: string): Promise<void> {
    if (!this.closing.called) this.options.log.debug('closing container', { containerId: this.id, reason });
    return this.closing.call();
  }

  private async open(cause: LaunchCause, isWanted: () => boolean): Promise<void> {
    const { options } = this;
    options.metrics.enter('start');
    const launch = new ContainerLaunch({
      ...options,
      signal: this.lifetime.signal,
      isWanted,
      onPull: (pull) => {
        this.pull = pull;
      },
      onPrepared: (image) => {
        this.image = image;
      },
      onCreated: (created) => {
        this.container = created;
      },
      onExit: (result, error) => this.onExit(result, error),
    });
    const container = await launch.run(cause);
    this.connection = new FunctionConnection((read) => container.connect(read), options.limits, options.clock);
    this.freezer = new IdleFreezer({
      clock: options.clock,
      container,
      afterMs: options.freezeAfterMs,
      onFrozen: () => options.metrics.enter('paused'),
      onFailed: (step, error) => this.onFreezerFailed(step, error),
    });
  }

  /** H6 */
  private async withExit(end: LostWithFunction): Promise<ExchangeEnd> {
    const { clock, spec } = this.options;
    const timeout = Promise.withResolvers<undefined>();
    const timer = clock.after(EXIT_REPORT_MS, () => timeout.resolve(undefined));
    const exit = await Promise.race([this.exited.promise, timeout.promise]);
    timer.cancel();
    if (exit === undefined) return end;
    const { code, cause } = end.error;
    return { ...end, error: new FnError(code, { cause, detail: exitWords(exit, spec.memoryMb) }) };
  }

  private onExit(result: ExitResult | undefined, error: unknown): void {
    this.exited.resolve(result);
    if (this.state === 'closed') return;
    const how = result && exitWords(result, this.options.spec.memoryMb);
    this.options.log.info('function ended', { containerId: this.id, how, ...result, callId: this.callId, error });
    // The launch watches the exit itself. A response may still be in the socket: the current call ends when it reads to the end.
    if (this.state === 'launching') this.draining = true;
    else this.drain();
  }

  private onFreezerFailed(step: 'freeze' | 'thaw', cause: unknown): void {
    if (this.state === 'closed') return;
    this.options.log.warn(`cannot ${step} container`, { containerId: this.id, error: cause });
    if (step === 'thaw') {
      this.broken = new FnError('functionResponse', { cause });
      this.exchange?.abort(this.broken);
    }
    this.drain();
  }

  private idleLongEnough(): void {
    if (this.options.owner.keeps()) this.idleTimer.set(this.options.idleTimeoutMs);
    else void this.close('idle timeout');
  }

  private finish(reusable: boolean, servedMs?: number): void {
    if (this.state !== 'busy') return;
    if (reusable && !this.draining) this.beginIdle(servedMs);
    else void this.close(reusable ? 'drained' : 'cannot be used again');
  }

  private beginIdle(servedMs?: number): void {
    this.state = 'idle';
    this.options.metrics.enter('idle');
    this.idleTimer.set(this.options.idleTimeoutMs);
    this.freezer?.idleBegins();
    this.options.owner.idle(this, servedMs);
  }

  private endIdle(): void {
    this.idleTimer.cancel();
    this.options.owner.idleEnded(this);
  }

  private async closeOnce(): Promise<void> {
    const { options } = this;
    if (this.state === 'idle') this.endIdle();
    this.state = 'closed';
    this.idleTimer.close();
    this.callClock.close();
    options.metrics.leave();
    this.lifetime.abort(new CancelledError());
    this.exchange?.abort(new CancelledError());
    options.owner.closes(this);
    await this.opening;
    await this.freezer?.close();
    this.connection?.close();
    // A driver must not reject here. If it does, the resources must be released nevertheless.
    await this.container
      ?.close()
      .catch((error: unknown) => options.log.error('driver failed to close a container', { error }));
    options.output.close();
    this.image?.release();
    options.token.release();
    options.owner.gone(this);
  }
}

/** Ends a call that never reached the function. */
function unserved(call: AgentCall, error: Error): Promise<ServeOutcome> {
  call.body.discard();
  call.logSink.close();
  return Promise.resolve({ kind: 'failed', error });
}

type LostWithFunction = ExchangeEnd & { readonly error: FnError };

/** Whether the call was lost because its connection was, which may mean that the function has exited. */
function isLostWithFunction(end: ExchangeEnd): end is LostWithFunction {
  return end.unsent === undefined && isLostFunction(end.error);
}

function outcomeOf({ error, unsent }: ExchangeEnd): ServeOutcome {
  if (unsent !== undefined) return { kind: 'unsent', body: unsent, error };
  return error === undefined ? COMPLETED : { kind: 'failed', error };
}
