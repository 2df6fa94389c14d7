import {
  CancelledError,
  type Clock,
  Deferred,
  earliest,
  FnError,
  type Logger,
  later,
  MIB,
  type MonoMs,
  NEVER,
  TurnoverSet,
} from '@fnfleet/core';
import type { ImagePull } from '@fnfleet/drivers';
import { type AgentCall, cancelReason } from '../call/agent-call.js';
import { LazyTimer } from '../exchange/lazy-timer.js';
import { LatestRegistryToken } from '../launch/container-factory.js';
import type { ContainerMetrics } from '../launch/container-metrics.js';
import { LaunchPolicy, needsLaunch, type SlotCounts } from '../launch/launch-policy.js';
import {
  assign,
  type ContainerSource,
  type Launch,
  Launcher,
  Standby,
  unassign,
  type Waiter,
} from '../launch/launcher.js';
import type { Capacity } from '../resources/capacity.js';
import type { Resources, ResourceToken } from '../resources/resource-tracker.js';
import type { ContainerOwner, HotContainer } from './hot-container.js';

/**
 * How long a call may wait for a hot container when there may be no room for another and calls do not wait for room,
 * milliseconds. After a longer wait it might still be refused, although another runner could have taken it at once.
 */
const SOON_MS = 20;

/** Until then a missing image may not even have been requested, milliseconds. */
const IMAGE_WAIT_LEAST_MS = 100;

export interface SlotQueueOptions {
  readonly slotKey: string;
  readonly fnId: string;
  /** The resources that each of its containers occupies. */
  readonly need: Resources;
  readonly capacity: Capacity;
  readonly clock: Clock;
  /** Why no container can be created now, undefined if one can. Asked before each expensive step of a launch. */
  readonly refusal: () => FnError | undefined;
  readonly log: Logger;
  /** How many standby containers it keeps started. */
  readonly standby: number;
  /** How long a call waits for its image to be pulled, milliseconds. */
  readonly imageWaitMs: number;
  /** How long the queue is kept without a call, milliseconds. */
  readonly idleTimeoutMs: number;
  /** Creates a container without launching it. The container owns the token. */
  readonly create: (
    source: ContainerSource,
    token: ResourceToken,
    metrics: ContainerMetrics,
    owner: ContainerOwner,
  ) => HotContainer;
  /** The queue is empty, and is closed or has not been used for its idle timeout. */
  readonly onEmpty: () => void;
}

/**
 * The hot containers that share one slot key, and the calls that wait for one.
 *
 * Q1  The most recently idle container is taken first; calls wait in order of arrival.
 * Q2  While a call waits, no container is idle, and at least as many containers are starting as calls have waited too
 *     long (Q5).
 * Q3  A waiting call causes at most one launch, and a failed launch fails only the call it is assigned to.
 * Q4  A launch that still waits for resources is assigned to a waiting call. When that call is served or leaves, the launch
 *     is assigned to a successor, or given up if there is none.
 * Q5  While containers are hot, a call waits for one of them as long as the LaunchPolicy prefers that to another launch.
 * Q6  Standby containers are launched for no call, only into spare room, and their failure fails no call.
 * Q7  While no container can be created, a call that hot containers cannot serve soon is refused. Launches in progress
 *     continue without their calls: their containers may serve later ones.
 * Q8  A call that has waited too long for its image to be pulled fails with `imagePulling`. The launch continues without it.
 *
 * Nothing here polls: a call is woken when a container becomes idle, when its launch fails, or when it ends.
 */
export class SlotQueue implements ContainerOwner {
  readonly registryToken = new LatestRegistryToken();
  /** The most recently idle container is last. */
  private readonly idleStack: HotContainer[] = [];
  private readonly waiters = new TurnoverSet<Waiter>();
  private readonly launcher: Launcher;
  /** Every container until it has released all its resources. */
  private readonly containers = new TurnoverSet<HotContainer>();
  /** The containers that can serve or are serving, and are not closing. */
  private readonly hot = new TurnoverSet<HotContainer>();
  private readonly policy: LaunchPolicy;
  private readonly standby: Standby;
  private readonly idleTimer: LazyTimer;
  /** What the next standby container is created from. */
  private latest: ContainerSource | undefined;
  /** Another version of the function is in use. */
  private superseded = false;
  private expired = false;
  private closed = false;

  constructor(private readonly options: SlotQueueOptions) {
    const { clock, standby, create } = options;
    this.launcher = new Launcher({
      ...options,
      create: (...parts) => {
        const container = create(...parts, this);
        this.containers.add(container);
        return container;
      },
      isWanted: (launch) => this.isWanted(launch),
      onLaunched: (ms) => this.policy.recordLaunchTime(ms),
      onEnd: (launch, error) => this.onLaunchEnded(launch, error),
    });
    this.policy = new LaunchPolicy(
      clock,
      () => (this.mayBeRefused ? SOON_MS : Number.POSITIVE_INFINITY),
      () => this.launchIfNeeded(),
    );
    this.idleTimer = new LazyTimer(clock, () => this.expire());
    this.standby = new Standby({
      wanted: () => (this.superseded || this.expired || this.closed ? 0 : standby),
      clock,
      containers: () => this.hot.size + this.launcher.size,
      launch: () => this.launchForStandby(),
    });
  }

  get slotKey(): string {
    return this.options.slotKey;
  }

  get fnId(): string {
    return this.options.fnId;
  }

  get counts(): SlotCounts {
    return { waiting: this.waiters.size, starting: this.launcher.size, idle: this.idleStack.length };
  }

  /** Containers that serve a call or could serve one. */
  get hotContainers(): number {
    return this.hot.size;
  }

  /** Claims an idle container for the caller; undefined if there is none. */
  take(): HotContainer | undefined {
    const container = this.claimIdle();
    if (container) this.policy.recordWait(undefined);
    return container;
  }

  /**
   * Waits for a container and claims it.
   * Rejects with FnError `serverBusy` when the call's deadline passes, when there is no room in non-blocking mode, and on
   *   shutdown; `imagePulling` (Q8); the refusal of a launch; the error of the call's own launch; the signal's reason
   */
  wait(call: AgentCall): Promise<HotContainer> {
    if (this.closed) return Promise.reject(new FnError('serverBusy'));
    this.used();
    const { model, slotKey, extensions, networkDisabled, logSink } = call;
    this.latest = { model, slotKey, extensions, networkDisabled, logSink };
    const since = this.options.clock.now();
    const onAbort = () => this.fail(waiter, cancelReason(call.signal));
    const waiter: Waiter = { call, since, slot: new Deferred(), onAbort, launch: undefined, limit: undefined };
    this.limitWait(waiter);
    call.signal.addEventListener('abort', onAbort);
    this.waiters.add(waiter);
    this.launchIfNeeded();
    return waiter.slot.promise;
  }

  /** The image of the function; empty before the first call. */
  get image(): string {
    return this.latest?.model.image ?? '';
  }

  /** The pull of the image that all containers of this queue share; undefined when it is not being pulled. */
  get imagePull(): ImagePull | undefined {
    for (const { imagePull } of this.containers) if (imagePull !== undefined) return imagePull;
    return undefined;
  }

  idle(container: HotContainer, servedMs?: number): void {
    if (this.hot.size === 0) this.policy.firstContainerReady();
    this.hot.add(container);
    if (servedMs !== undefined) {
      this.policy.recordServiceTime(servedMs);
      this.used();
      this.standby.fill();
    }
    this.idleStack.push(container);
    this.serveWaiters();
    // A container that a waiting call has just claimed must not be evicted.
    if (this.idleStack.at(-1) === container) this.options.capacity.idleBegins(container);
  }

  idleEnded(container: HotContainer): void {
    this.options.capacity.idleEnds(container);
    // It is nearly always the last one.
    const index = this.idleStack.lastIndexOf(container);
    if (index >= 0) this.idleStack.splice(index, 1);
  }

  closes(container: HotContainer): void {
    this.hot.delete(container);
    this.launchIfNeeded(); // calls may have been waiting for it
  }

  gone(container: HotContainer): void {
    this.containers.delete(container);
    this.standby.fill();
    this.forgetIfEmpty();
  }

  keeps(): boolean {
    return this.hot.size <= this.standby.wanted;
  }

  /** Sets whether this version of its function is in use. Standby containers are kept for no other version. */
  setInUse(inUse: boolean): void {
    this.superseded = !inUse;
  }

  /** Q7. Containers can no longer be created. */
  launchesRefused(): void {
    // Iterates over launches, not calls: a launch that a failed call leaves may be assigned to another call (Q4).
    for (const launch of this.launcher) {
      while (launch.waiter !== undefined) this.fail(launch.waiter, this.options.refusal());
    }
    this.launchIfNeeded();
  }

  /** Refuses waiting calls, gives up launches, and closes each container as soon as it serves no call. */
  drain(): void {
    this.closed = true;
    for (const waiter of this.waiters) this.fail(waiter, new FnError('serverBusy'));
    for (const container of this.containers) container.drain();
    this.forgetIfEmpty();
  }

  /** Closes every container, even while it serves a call. */
  async close(): Promise<void> {
    this.drain();
    await Promise.all([...this.containers].map((container) => container.close('agent closes')));
  }

  private claimIdle(): HotContainer | undefined {
    const container = this.idleStack.at(-1);
    return container?.claim() ? container : undefined;
  }

  private serveWaiters(): void {
    for (const waiter of this.waiters) {
      const container = this.claimIdle();
      if (container === undefined) return;
      this.policy.recordWait(waiter.since);
      this.leave(waiter);
      waiter.slot.resolve(container);
    }
  }

  private fail(waiter: Waiter, error: unknown): void {
    if (!this.waiters.has(waiter)) return;
    this.leave(waiter);
    waiter.slot.reject(error);
    this.forgetIfEmpty();
  }

  private limitWait(waiter: Waiter): void {
    const { clock, imageWaitMs } = this.options;
    const { image } = waiter.call.model;
    const deadlineAt = waitsUntil(waiter);
    waiter.limit = clock.after(Math.min(deadlineAt - clock.now(), Math.max(IMAGE_WAIT_LEAST_MS, imageWaitMs)), () => {
      const pull = this.hot.size === 0 ? this.imagePull : undefined;
      if (pull !== undefined) this.fail(waiter, imagePulling(image, pull, clock.now()));
      else if (clock.now() >= deadlineAt) this.fail(waiter, new FnError('serverBusy'));
      else this.limitWait(waiter);
    });
  }

  /** Q4 */
  private leave(waiter: Waiter): void {
    this.waiters.delete(waiter);
    waiter.limit?.cancel();
    waiter.call.signal.removeEventListener('abort', waiter.onAbort);
    const { launch } = waiter;
    if (launch === undefined) return;
    unassign(launch, waiter);
    const { reservation } = launch;
    if (reservation === undefined) return;
    const successor = this.waiterWithoutLaunch();
    if (successor) assign(launch, successor);
    else reservation.abort(new CancelledError());
  }

  private launchIfNeeded(): void {
    const refusal = this.options.refusal();
    if (refusal) return this.refuse(refusal);
    while (!this.closed && needsLaunch(this.counts)) {
      const waiter = this.waiterWithoutLaunch();
      if (waiter === undefined || this.keepsWaiting(waiter)) return;
      this.launcher.launchFor(waiter);
    }
  }

  /** Q7. Launches that were already in progress may hang, so no call waits for them. */
  private refuse(refusal: FnError): void {
    for (const waiter of this.waiters) {
      if (this.keepsWaiting(waiter)) return;
      this.fail(waiter, refusal);
    }
  }

  /** Q5. Calls wait in order: if the first call without a launch keeps waiting, later ones are checked when it is served. */
  private keepsWaiting(waiter: Waiter): boolean {
    if (!this.shouldWait(waiter, this.launcher.size)) return false;
    this.policy.scheduleReview(waiter.since, this.options.capacity.nonBlocking ? SOON_MS : Number.POSITIVE_INFINITY);
    return true;
  }

  /** Counts room for every waiting call, because the others may be about to take it. */
  private get mayBeRefused(): boolean {
    const { capacity, need } = this.options;
    return capacity.nonBlocking && !capacity.hasRoomFor(need, this.waiters.size);
  }

  private shouldWait({ since }: Waiter, starting: number): boolean {
    return this.policy.shouldWait(since, this.waiters.size - 1, { hot: this.hot.size, starting });
  }

  private waiterWithoutLaunch(): Waiter | undefined {
    for (const waiter of this.waiters) if (waiter.launch === undefined) return waiter;
    return undefined;
  }

  /** Q6 */
  private launchForStandby(): boolean {
    const { latest } = this;
    return latest !== undefined && this.options.refusal() === undefined && this.launcher.launchSpare(latest);
  }

  private isWanted({ purpose }: Launch): boolean {
    if (this.closed || this.options.refusal() !== undefined) return false;
    if (purpose === 'standby') return true;
    const [first] = this.waiters;
    return first !== undefined && !this.shouldWait(first, this.launcher.size - 1);
  }

  private onLaunchEnded(launch: Launch, error: unknown): void {
    const { waiter } = launch;
    if (waiter) {
      unassign(launch, waiter);
      if (error !== undefined) this.fail(waiter, error);
    }
    if (launch.purpose === 'standby' && error !== undefined) this.onStandbyFailed(error);
    this.launchIfNeeded();
    this.standby.fill();
    this.forgetIfEmpty();
  }

  private onStandbyFailed(error: unknown): void {
    if (this.closed) return;
    this.options.log.warn('cannot start a standby container', { error });
    this.standby.retryLater();
  }

  private used(): void {
    this.expired = false;
    this.idleTimer.set(this.options.idleTimeoutMs);
  }

  private expire(): void {
    if (this.waiters.size + this.launcher.size > 0) return this.idleTimer.set(this.options.idleTimeoutMs);
    // Standby containers close at the end of their own idle timeout.
    this.expired = true;
    this.forgetIfEmpty();
  }

  private forgetIfEmpty(): void {
    if (!this.expired && !this.closed) return;
    if (this.waiters.size + this.launcher.size + this.containers.size > 0) return;
    this.idleTimer.close();
    this.policy.close();
    this.standby.close();
    this.options.onEmpty();
  }
}

/** An asynchronous call waits for a container for as long as it may run, as in Fn; then it returns to its queue. */
function waitsUntil({ call, since }: Waiter): MonoMs {
  const { model, deadlineAt = NEVER } = call;
  return model.type === 'async' ? earliest(deadlineAt, later(since, 1_000 * model.timeoutSeconds)) : deadlineAt;
}

/** Maximum Retry-After of a call, seconds. */
const MAX_RETRY_AFTER_S = 120;

/**
 * The error of a call whose time ends while its image is being pulled. `Retry-After` is extrapolated from the progress of
 * the pull, where that is known.
 */
function imagePulling(image: string, pull: ImagePull, now: MonoMs): FnError {
  const { receivedBytes, totalBytes } = pull;
  const options = { params: { image }, detail: pullProgress(pull) };
  // A complete download still has to be unpacked, and the engine says nothing about that.
  if (receivedBytes === 0 || receivedBytes === totalBytes) return new FnError('imagePulling', options);
  const leftSeconds = ((now - pull.since) / 1000) * ((totalBytes - receivedBytes) / receivedBytes);
  return new FnError('imagePulling', { ...options, retryAfterSeconds: Math.min(MAX_RETRY_AFTER_S, leftSeconds) });
}

/** Human-readable; empty while the progress is unknown. */
function pullProgress({ receivedBytes, totalBytes }: ImagePull): string {
  return totalBytes === 0 ? '' : `${megabytes(receivedBytes)} of ${megabytes(totalBytes)} MB so far`;
}

function megabytes(bytes: number): string {
  return (bytes / MIB).toFixed(bytes < 10 * MIB ? 1 : 0);
}
