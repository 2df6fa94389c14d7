import { CancelledError, type Clock, Deferred, FnError, type Logger, NEVER, TurnoverSet } from '@fnfleet/core';
import type { ImagePull } from '@fnfleet/drivers';
import type { AgentCall } from '../call/agent-call.js';
import { cancelReason } from '../call/cancel-reason.js';
import { LatestRegistryToken } from '../call/registry-token.js';
import { LazyTimer } from '../exchange/lazy-timer.js';
import type { ContainerMetrics } from '../launch/container-metrics.js';
import { imagePulling } from '../launch/image-pulling.js';
import { type ContainerSource, divorce, type Launch, Launcher, marry, type Waiter } from '../launch/launcher.js';
import { Patience } from '../launch/patience.js';
import { Standby } from '../launch/standby.js';
import type { Capacity } from '../resources/capacity.js';
import type { Resources, ResourceToken } from '../resources/resource-tracker.js';
import type { ContainerOwner, HotContainer } from './hot-container.js';

/**
 * What a call may wait for a hot container where there may be no room for another and calls do not wait for room,
 * milliseconds. Longer, and it might be refused after having waited, when another runner could have had it.
 */
const SOON_MS = 20;

/** Before this an image that is not here may not even have been asked for, milliseconds. */
const IMAGE_WAIT_LEAST_MS = 100;

export interface SlotQueueOptions {
  readonly slotKey: string;
  readonly fnId: string;
  /** What each of its containers occupies. */
  readonly need: Resources;
  readonly capacity: Capacity;
  readonly clock: Clock;
  /** Why no container can be made now, asked before each costly step of a launch; undefined: it can be tried. */
  readonly refusal: () => FnError | undefined;
  readonly log: Logger;
  /** How many containers it keeps started. */
  readonly standby: number;
  /** What a call waits for its image to be pulled, milliseconds. */
  readonly imageWaitMs: number;
  /** Without a call for so long, it forgets what it knows. Milliseconds. */
  readonly idleTimeoutMs: number;
  /** Makes a container, which has not been launched yet. Its resources are the token's. */
  readonly create: (
    source: ContainerSource,
    token: ResourceToken,
    metrics: ContainerMetrics,
    owner: ContainerOwner,
  ) => HotContainer;
  /** The queue holds nothing any more, and has not been used for its idle timeout. */
  readonly onEmpty: () => void;
}

export interface SlotCounts {
  /** Calls that wait for a container. */
  readonly waiting: number;
  /** Containers that are on their way, those that wait for resources included. */
  readonly starting: number;
  /** Containers that could take a call now. */
  readonly idle: number;
}

/** Whether one more container has to be launched: there are calls that neither an idle nor a starting one can take. */
export function needsLaunch({ waiting, starting, idle }: SlotCounts): boolean {
  return Math.max(0, waiting - idle) > starting;
}

/**
 * The hot containers that share one slot key, and the calls that wait for one.
 *
 * Q1  The most recently idle container is taken first; calls wait in order of arrival.
 * Q2  While a call waits no container is idle, and at least as many are starting as calls have lost patience (Q5).
 * Q3  A waiting call causes at most one launch, and only that call hears of its failure.
 * Q4  A launch that still waits for resources belongs to a waiting call. When that call is served or leaves, another
 *     call takes the launch over, or it is given up.
 * Q5  Where containers are hot a call waits for one of them as long as its Patience sees more sense in that than in
 *     another launch.
 * Q6  Containers for standby are launched for no call, so no call hears of their failure, and only where there is room.
 * Q7  While no container can be made, a call that hot containers cannot serve soon is refused. Launches that have begun go on
 *     without their calls: what comes of them may serve later ones.
 * Q8  A call that has waited long enough while its image is being pulled is told so. The launch goes on without it.
 *
 * Nothing here polls: a call is woken by a container that becomes idle, by the failure of its launch, or by its end.
 */
export class SlotQueue implements ContainerOwner {
  readonly registryToken = new LatestRegistryToken();
  /** The most recently idle is the last. */
  private readonly idleStack: HotContainer[] = [];
  private readonly waiters = new TurnoverSet<Waiter>();
  private readonly launcher: Launcher;
  /** Until all they occupy has come back. */
  private readonly containers = new TurnoverSet<HotContainer>();
  /** Those of them that have served or could serve, and are not closing. */
  private readonly hot = new TurnoverSet<HotContainer>();
  private readonly patience: Patience;
  private readonly standby: Standby;
  private readonly idleTimer: LazyTimer;
  /** What the next container for standby is made from. */
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
      onLaunched: (ms) => this.patience.launched(ms),
      onEnd: (launch, error) => this.onLaunchEnded(launch, error),
    });
    this.patience = new Patience(
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

  /** Containers that serve a call or could. */
  get hotContainers(): number {
    return this.hot.size;
  }

  /** An idle container, claimed for the caller; undefined when it would have to wait. */
  take(): HotContainer | undefined {
    const container = this.claimIdle();
    if (container) this.patience.got(undefined);
    return container;
  }

  /**
   * Waits for a container and claims it.
   * @throws FnError `serverBusy` when the caller's deadline passes, in non-blocking mode when there is no room, and on
   *   shutdown; `imagePulling` (Q8); the refusal of a launch; the error of the launch that this call caused; the signal's reason
   */
  async wait(call: AgentCall): Promise<HotContainer> {
    if (this.closed) throw new FnError('serverBusy');
    this.used();
    const { model, slotKey, extensions, networkDisabled, logSink } = call;
    this.latest = { model, slotKey, extensions, networkDisabled, logSink };
    const since = this.options.clock.now();
    const waiter: Waiter = { call, since, slot: new Deferred(), launch: undefined, limit: undefined };
    const onAbort = () => this.fail(waiter, cancelReason(call.signal));
    this.limitWait(waiter);
    call.signal.addEventListener('abort', onAbort, { once: true });
    this.waiters.add(waiter);
    this.launchIfNeeded();
    try {
      return await waiter.slot.promise;
    } finally {
      waiter.limit?.cancel();
      call.signal.removeEventListener('abort', onAbort);
    }
  }

  /** Empty before the first call. */
  get image(): string {
    return this.latest?.model.image ?? '';
  }

  /** Of the image that all of its containers are made from; undefined: it is not being pulled. */
  get imagePull(): ImagePull | undefined {
    for (const { imagePull } of this.containers) if (imagePull !== undefined) return imagePull;
    return undefined;
  }

  idle(container: HotContainer, servedMs?: number): void {
    if (this.hot.size === 0) this.patience.begin();
    this.hot.add(container);
    if (servedMs !== undefined) {
      this.patience.served(servedMs);
      this.used();
      this.standby.fill();
    }
    this.idleStack.push(container);
    this.serveWaiters();
    // Only what no call of its own needs may have to make room for others.
    if (this.idleStack.at(-1) === container) this.options.capacity.idleBegins(container);
  }

  idleEnded(container: HotContainer): void {
    this.options.capacity.idleEnds(container);
    // Nearly always the last one.
    const index = this.idleStack.lastIndexOf(container);
    if (index >= 0) this.idleStack.splice(index, 1);
  }

  closes(container: HotContainer): void {
    this.hot.delete(container);
    this.launchIfNeeded(); // it may have been the one that calls were waiting for
  }

  gone(container: HotContainer): void {
    this.containers.delete(container);
    this.standby.fill();
    this.forgetIfEmpty();
  }

  keeps(): boolean {
    return this.hot.size <= this.standby.wanted;
  }

  /** Whether this is the version of its function that is in use: containers are kept for no other. */
  setInUse(inUse: boolean): void {
    this.superseded = !inUse;
  }

  /** Q7. No container can be made any more. */
  launchesRefused(): void {
    // A launch that one call leaves behind may go to another (Q4): hence by launch, not by call.
    for (const launch of this.launcher) {
      while (launch.waiter !== undefined) this.fail(launch.waiter, this.options.refusal());
    }
    this.launchIfNeeded();
  }

  /** Turns waiting calls away, gives up launches, and closes each container as soon as it serves no call. */
  shutDown(): void {
    this.closed = true;
    for (const waiter of this.waiters) this.fail(waiter, new FnError('serverBusy'));
    for (const container of this.containers) container.retire();
    this.forgetIfEmpty();
  }

  /** Closes every container, whatever it does. */
  async close(): Promise<void> {
    this.shutDown();
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
      this.patience.got(waiter.since);
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
    const deadlineAt = waiter.call.deadlineAt ?? NEVER;
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
    const { launch } = waiter;
    if (launch === undefined) return;
    divorce(launch, waiter);
    if (launch.begun) return;
    const heir = this.waiterWithoutLaunch();
    if (heir) marry(launch, heir);
    else launch.giveUp.abort(new CancelledError());
  }

  private launchIfNeeded(): void {
    const refusal = this.options.refusal();
    if (refusal) return this.refuse(refusal);
    while (!this.closed && needsLaunch(this.counts)) {
      const waiter = this.waiterWithoutLaunch();
      if (waiter === undefined || this.isPatient(waiter)) return;
      this.launcher.launchFor(waiter);
    }
  }

  /** Q7. Launches that hang since before are nothing to wait for. */
  private refuse(refusal: FnError): void {
    for (const waiter of this.waiters) {
      if (this.isPatient(waiter)) return;
      this.fail(waiter, refusal);
    }
  }

  /** Q5. Calls wait in order: where the first without a launch may wait, those after it are looked at when it is served. */
  private isPatient(waiter: Waiter): boolean {
    if (!this.mayWait(waiter, this.launcher.size)) return false;
    this.patience.watch(waiter.since, this.options.capacity.nonBlocking ? SOON_MS : Number.POSITIVE_INFINITY);
    return true;
  }

  /** Others may be about to take what room there is: there has to be some for every call that waits. */
  private get mayBeRefused(): boolean {
    const { capacity, need } = this.options;
    return capacity.nonBlocking && !capacity.hasRoomFor(need, this.waiters.size);
  }

  private mayWait({ since }: Waiter, starting: number): boolean {
    return this.patience.allows(since, this.waiters.size - 1, { hot: this.hot.size, starting });
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
    return first !== undefined && !this.mayWait(first, this.launcher.size - 1);
  }

  private onLaunchEnded(launch: Launch, error: unknown): void {
    const { waiter } = launch;
    if (waiter) {
      divorce(launch, waiter);
      if (error !== undefined) this.fail(waiter, error);
    }
    if (launch.purpose === 'standby' && error !== undefined) this.onStandbyFailed(error);
    this.launchIfNeeded();
    this.standby.fill();
    this.forgetIfEmpty();
  }

  private onStandbyFailed(error: unknown): void {
    if (this.closed) return;
    this.options.log.warn('cannot start a container for standby', { error });
    this.standby.retryLater();
  }

  private used(): void {
    this.expired = false;
    this.idleTimer.set(this.options.idleTimeoutMs);
  }

  private expire(): void {
    if (this.waiters.size + this.launcher.size > 0) return this.idleTimer.set(this.options.idleTimeoutMs);
    // What was kept for standby goes at the end of its own idle timeout.
    this.expired = true;
    this.forgetIfEmpty();
  }

  private forgetIfEmpty(): void {
    if (!this.expired && !this.closed) return;
    if (this.waiters.size + this.launcher.size + this.containers.size > 0) return;
    this.idleTimer.stop();
    this.patience.stop();
    this.standby.stop();
    this.options.onEmpty();
  }
}
