import {
  CancelledError,
  type Clock,
  count,
  Deferred,
  earliest,
  FnError,
  type Logger,
  later,
  type MonoMs,
  Once,
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
import type { LaunchLimiter } from '../launch/launch-limiter.js';
import type { ContainerOutput } from '../output/container-output.js';
import type { Resources, ResourceToken } from '../resources/resource-tracker.js';
import type { Evictable } from './evictor.js';
import { IdleFreezer } from './idle-freezer.js';

/** What a hot container is made from, and with. Durations in milliseconds. */
export interface HotContainerOptions {
  readonly spec: ContainerSpec;
  /** What the container prints is told here which call it belongs to. */
  readonly output: ContainerOutput;
  readonly slotKey: string;
  readonly token: ResourceToken;
  readonly idleTimeoutMs: number;
  /** Idle for so long it is frozen; Infinity: never. */
  readonly freezeAfterMs: number;
  readonly pullTimeoutMs: number;
  readonly startTimeoutMs: number;
  /** What a caller may take for some more of a body that the function is receiving. */
  readonly uploadStallMs: number;
  /** How much more that has to be, bytes. */
  readonly uploadMinBytes: number;
  readonly limits: ExchangeLimits;
  readonly driver: Driver;
  readonly limiter: LaunchLimiter;
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
  /** Whether one of the containers has to stay, however long it is idle. */
  keeps(): boolean;
  /** The container serves no more calls. What it occupied comes back later. */
  closes(container: HotContainer): void;
  /** The container and all it occupied are gone. */
  gone(container: HotContainer): void;
}

/** How a container served a call. */
export type ServeEnd = Pick<ExchangeEnd, 'error' | 'unsent'>;

/** The engine tells of the end of a process a few milliseconds after its connections have told of it. */
const EXIT_NEWS_MS = 1_000;

type State = 'launching' | 'idle' | 'busy' | 'closed';

/**
 * One container that serves call after call.
 *
 *   launching ──socket open──▶ idle ⇄ busy
 *       └──────────────────────┴──┴──▶ closed
 *         failure, exit, idle timeout, eviction, shutdown
 *
 * H1  It serves one call at a time: only an idle container can be claimed, and a claim is exclusive.
 * H2  It is offered to its owner each time idle begins, and taken back each time idle ends, whatever ends it.
 * H3  close() is the only way to `closed`: it waits for the driver to be done, then releases the resources, then tells
 *     the owner. Until then they count as occupied.
 * H4  A call whose time is over (CallClock) is answered at once; the container is closed behind its back.
 * H5  A container that is frozen is idle. A claim thaws it; the call does not wait for that, its first bytes do.
 * H6  A call that is lost with its function is answered with how that ended, if the engine says so within a moment.
 */
export class HotContainer implements Evictable {
  private state: State = 'launching';
  private pull: ImagePull | undefined;
  private image: PreparedImage | undefined;
  private container: Container | undefined;
  private connection: FunctionConnection | undefined;
  private exchange: Exchange | undefined;
  /** Of the call in hand. */
  private callId: string | undefined;
  private readonly exited = new Deferred<ExitResult | undefined>();
  private freezer: IdleFreezer | undefined;
  /** Why a claimed container cannot serve. */
  private broken: FnError | undefined;
  private opening: Promise<void> = Promise.resolve();
  private used = false;
  /** It closes as soon as it would be idle. */
  private retiring = false;
  private readonly stop = new AbortController();
  private readonly idleTimer: LazyTimer;
  private readonly callClock: CallClock;
  private readonly closing = new Once(() => this.tearDown());

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

  /** Its image is being pulled. */
  get imagePull(): ImagePull | undefined {
    return this.pull;
  }

  /** It has had a call, be it in vain. */
  get wasUsed(): boolean {
    return this.used;
  }

  get isStandby(): boolean {
    return this.options.owner.keeps();
  }

  /**
   * Makes, starts and offers the container. On failure it is closed, which is not waited for.
   * @returns false when it was not made after all, because nobody wants it any more
   * @param cause the call that needs it
   * @param isWanted asked before the costly part
   * @throws FnError what the caller should see; whatever the driver threw when it has no place in the error table
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
    if (this.state !== 'launching') throw this.stop.signal.reason;
    if (this.retiring) {
      void this.close('ended at once');
      throw new FnError('containerInitFailed');
    }
    this.beginIdle();
    return true;
  }

  /** idle → busy. False when somebody or something was faster. */
  claim(): boolean {
    if (this.state !== 'idle') return false;
    this.endIdle();
    this.freezer?.idleEnds();
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
   * @param deadlineAt when the function's time is over, if its request goes out now
   * @returns what to tell the caller; or, when nothing has reached the function, what another container may be sent
   */
  async serve(call: AgentCall, deadlineAt: MonoMs): Promise<ServeEnd> {
    const { connection } = this;
    const remainingMs = deadlineAt - this.options.clock.now();
    if (this.state !== 'busy' || connection === undefined) return unserved(call, new CancelledError());
    if (this.broken) {
      this.finish(false);
      return { error: this.broken, unsent: call.body };
    }
    if (remainingMs <= 0) {
      this.finish(false);
      return unserved(call, new FnError('callTimeout'));
    }
    this.used = true;
    this.options.output.begin(call);
    this.callId = call.model.id;
    const { clock, uploadStallMs, uploadMinBytes } = this.options;
    // Before the exchange, which may come as far as its body at once.
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
    const end = await this.withExit(await this.exchange.end);
    if (end.unsent) this.options.output.handOn();
    else this.options.output.end();
    this.callClock.end();
    this.exchange = undefined;
    this.callId = undefined;
    this.finish(end.reusable, this.options.clock.now() - from);
    return end;
  }

  evict(): void {
    count('container_evictions', 1, { container_state: this.freezer?.isFrozen ? 'paused' : 'idle' });
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
    if (!this.closing.called) this.options.log.debug('closing container', { containerId: this.id, reason });
    return this.closing.call();
  }

  private async open(cause: LaunchCause, isWanted: () => boolean): Promise<void> {
    const { options } = this;
    options.metrics.enter('start');
    const launch = new ContainerLaunch({
      ...options,
      signal: this.stop.signal,
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
  private async withExit(end: ExchangeEnd): Promise<ExchangeEnd> {
    const { error } = end;
    if (!isLostFunction(error) || end.unsent) return end;
    const { clock, spec } = this.options;
    const patience = Promise.withResolvers<undefined>();
    const timer = clock.after(EXIT_NEWS_MS, () => patience.resolve(undefined));
    const exit = await Promise.race([this.exited.promise, patience.promise]);
    timer.cancel();
    if (exit === undefined) return end;
    const { code, cause } = error;
    return { ...end, error: new FnError(code, { cause, detail: exitWords(exit, spec.memoryMb) }) };
  }

  private onExit(result: ExitResult | undefined, error: unknown): void {
    this.exited.resolve(result);
    if (this.state === 'closed') return;
    const how = result && exitWords(result, this.options.spec.memoryMb);
    this.options.log.info('function ended', { containerId: this.id, how, ...result, callId: this.callId, error });
    // The launch has its own eye on it. An answer may still be in the socket: a call in hand ends when it reads to the end.
    if (this.state === 'launching') this.retiring = true;
    else this.retire();
  }

  private onFreezerFailed(step: 'freeze' | 'thaw', cause: unknown): void {
    if (this.state === 'closed') return;
    this.options.log.warn(`cannot ${step} container`, { containerId: this.id, error: cause });
    if (step === 'thaw') {
      this.broken = new FnError('functionResponse', { cause });
      this.exchange?.abort(this.broken);
    }
    this.retire();
  }

  private idleLongEnough(): void {
    if (this.options.owner.keeps()) this.idleTimer.set(this.options.idleTimeoutMs);
    else void this.close('idle timeout');
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
    this.freezer?.idleBegins();
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
    this.callClock.stop();
    options.metrics.leave();
    this.stop.abort(new CancelledError());
    this.exchange?.abort(new CancelledError());
    options.owner.closes(this);
    await this.opening;
    await this.freezer?.stop();
    this.connection?.close();
    // A driver that fails here breaks its word; the room must come back nevertheless.
    await this.container
      ?.close()
      .catch((error: unknown) => options.log.error('driver failed to close a container', { error }));
    options.output.close();
    this.image?.release();
    options.token.release();
    options.owner.gone(this);
  }
}

/** A call that never got to the function. */
function unserved(call: AgentCall, error: Error): ServeEnd {
  call.body.discard();
  call.logSink.close();
  return { error };
}
