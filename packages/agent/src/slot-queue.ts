import { CancelledError, type Clock, Deferred, FnError, type Timer } from '@fnfleet/core';
import type { AgentCall } from './agent-call.js';
import { cancelReason } from './cancel-reason.js';
import type { Capacity } from './capacity.js';
import { ContainerMetrics } from './container-metrics.js';
import type { ContainerOwner, HotContainer } from './hot-container.js';
import { LaunchForecast } from './launch-forecast.js';
import type { Resources, ResourceToken } from './resource-tracker.js';

export interface SlotQueueOptions {
  readonly slotKey: string;
  /** What each of its containers occupies. */
  readonly need: Resources;
  readonly capacity: Capacity;
  readonly clock: Clock;
  /** Why no container can be made now, asked before each costly step of a launch; undefined: it can be tried. */
  readonly refusal: () => FnError | undefined;
  /** Makes a container for the call, which has not been launched yet. Its resources are the token's. */
  readonly create: (
    call: AgentCall,
    token: ResourceToken,
    metrics: ContainerMetrics,
    owner: ContainerOwner,
  ) => HotContainer;
  /** The queue holds nothing any more and may be forgotten. */
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

/** A call that waits. */
interface Waiter {
  /** By the clock, milliseconds. */
  readonly since: number;
  readonly call: AgentCall;
  readonly slot: Deferred<HotContainer>;
  /** The launch that it caused. */
  launch: Launch | undefined;
}

/** One container on its way. */
interface Launch {
  /** The call that caused it, as long as that waits. */
  waiter: Waiter | undefined;
  /** Gives up the wait for resources. */
  readonly giveUp: AbortController;
  /** The resources are there, the container is being made. */
  begun: boolean;
}

/**
 * The hot containers that share one slot key, and the calls that wait for one.
 *
 * Q1  The most recently idle container is taken first; calls wait in order of arrival.
 * Q2  While a call waits no container is idle, and at least as many are starting as calls have lost patience (Q5).
 * Q3  A waiting call causes at most one launch, and only that call hears of its failure.
 * Q4  A launch that still waits for resources belongs to a waiting call. When that call is served or leaves, another
 *     call takes the launch over, or it is given up.
 * Q5  Where containers are hot a call waits for one of them as long as LaunchForecast sees more sense in that than in
 *     another launch, and never longer than its patience.
 *
 * Q6  While no container can be made, a call is refused as soon as it would cause a launch. Launches that have begun go on
 *     without their calls: what comes of them may serve later ones.
 *
 * Nothing here polls: a call is woken by a container that becomes idle, by the failure of its launch, or by its end.
 */
export class SlotQueue implements ContainerOwner {
  /** The most recently idle is the last. */
  private readonly idleStack: HotContainer[] = [];
  private readonly waiters = new Set<Waiter>();
  private readonly launches = new Set<Launch>();
  private readonly containers = new Set<HotContainer>();
  private readonly forecast = new LaunchForecast();
  /** When a container last became hot while none was, by the clock. */
  private hotSince = 0;
  private patience: Timer | undefined;
  private closed = false;

  constructor(private readonly options: SlotQueueOptions) {}

  get counts(): SlotCounts {
    return { waiting: this.waiters.size, starting: this.launches.size, idle: this.idleStack.length };
  }

  /** An idle container, claimed for the caller; undefined when it would have to wait. */
  take(): HotContainer | undefined {
    const container = this.idleStack.at(-1);
    return container?.claim() ? container : undefined;
  }

  /**
   * Waits for a container and claims it.
   * @throws FnError `serverBusy` when the caller's deadline passes, in non-blocking mode when there is no room, and on
   *   shutdown; the refusal of a launch; the error of the launch that this call caused; the signal's reason
   */
  async wait(call: AgentCall): Promise<HotContainer> {
    if (this.closed) throw new FnError('serverBusy');
    const waiter: Waiter = { call, since: this.options.clock.now(), slot: new Deferred(), launch: undefined };
    const onAbort = () => this.fail(waiter, cancelReason(call.signal));
    const remainingMs = call.deadlineAt === undefined ? Infinity : call.deadlineAt - this.options.clock.now();
    const timer = this.options.clock.after(remainingMs, () => this.fail(waiter, new FnError('serverBusy')));
    call.signal.addEventListener('abort', onAbort, { once: true });
    this.waiters.add(waiter);
    this.launchIfNeeded();
    try {
      return await waiter.slot.promise;
    } finally {
      timer.cancel();
      call.signal.removeEventListener('abort', onAbort);
    }
  }

  idle(container: HotContainer, servedMs?: number): void {
    if (servedMs !== undefined) this.forecast.served(servedMs);
    else if (this.hotContainers === 0) this.hotSince = this.options.clock.now();
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

  gone(container: HotContainer): void {
    this.containers.delete(container);
    this.launchIfNeeded(); // it may have been the one that calls were waiting for
    this.forgetIfEmpty();
  }

  isWanted(): boolean {
    if (this.options.refusal() !== undefined) return false;
    const [first] = this.waiters;
    return first !== undefined && !this.mayWait(first);
  }

  /** Q6. No container can be made any more. */
  launchesRefused(): void {
    // A launch that one call leaves behind may go to another (Q4): hence by launch, not by call.
    for (const launch of this.launches) {
      while (launch.waiter !== undefined) this.fail(launch.waiter, this.options.refusal());
    }
  }

  /** Turns waiting calls away, gives up launches, and closes each container as soon as it serves no call. */
  shutDown(): void {
    this.closed = true;
    for (const waiter of this.waiters) this.fail(waiter, new FnError('serverBusy'));
    for (const container of this.containers) container.retire();
  }

  /** Closes every container, whatever it does. */
  async close(): Promise<void> {
    this.shutDown();
    await Promise.all([...this.containers].map((container) => container.close('agent closes')));
  }

  private serveWaiters(): void {
    for (const waiter of this.waiters) {
      const container = this.take();
      if (container === undefined) return;
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

  /** Q4 */
  private leave(waiter: Waiter): void {
    this.waiters.delete(waiter);
    const { launch } = waiter;
    if (launch === undefined) return;
    waiter.launch = undefined;
    launch.waiter = undefined;
    if (launch.begun) return;
    const heir = this.waiterWithoutLaunch();
    if (heir) marry(launch, heir);
    else launch.giveUp.abort(new CancelledError());
  }

  private launchIfNeeded(): void {
    while (!this.closed && needsLaunch(this.counts)) {
      const waiter = this.waiterWithoutLaunch();
      if (waiter === undefined || this.isPatient(waiter)) return;
      const launch: Launch = { waiter: undefined, giveUp: new AbortController(), begun: false };
      marry(launch, waiter);
      this.launches.add(launch);
      void this.run(launch);
    }
  }

  /** Q5. Calls wait in order: where the first without a launch may wait, those after it are looked at when it is served. */
  private isPatient(waiter: Waiter): boolean {
    if (!this.mayWait(waiter)) return false;
    this.patience ??= this.options.clock.after(this.patienceLeftMs(waiter), () => {
      this.patience = undefined;
      this.launchIfNeeded();
    });
    return true;
  }

  private mayWait(waiter: Waiter): boolean {
    return this.patienceLeftMs(waiter) > 0 && this.forecast.servedSoon(this.waiters.size - 1, this.hotContainers);
  }

  private patienceLeftMs({ since }: Waiter): number {
    return Math.max(since, this.hotSince) + this.forecast.patienceMs - this.options.clock.now();
  }

  /** Those that have served or could serve. */
  private get hotContainers(): number {
    let starting = 0;
    for (const { begun } of this.launches) if (begun) starting += 1;
    return Math.max(0, this.containers.size - starting);
  }

  private waiterWithoutLaunch(): Waiter | undefined {
    for (const waiter of this.waiters) if (waiter.launch === undefined) return waiter;
    return undefined;
  }

  /** Sees one launch through. Never rejects. */
  private async run(launch: Launch): Promise<void> {
    try {
      await this.launch(launch);
    } catch (error) {
      this.end(launch, error);
    }
  }

  private async launch(launch: Launch): Promise<void> {
    const { options } = this;
    const { waiter } = launch;
    if (waiter === undefined) return this.end(launch);
    const refusal = options.refusal();
    if (refusal) throw refusal;
    const metrics = new ContainerMetrics(options.clock, waiter.call.model);
    metrics.enter('wait');
    let token: ResourceToken;
    try {
      token = await options.capacity.acquire(options.need, options.slotKey, launch.giveUp.signal);
    } catch (error) {
      metrics.leave();
      throw error;
    }
    // The call that caused the launch may have been served meanwhile, and another have taken it over.
    const call = launch.waiter?.call;
    if (call === undefined) {
      metrics.leave();
      token.release();
      return this.end(launch);
    }
    launch.begun = true;
    const container = options.create(call, token, metrics, this);
    this.containers.add(container);
    const from = options.clock.now();
    const launched = await container.launch(call.timings);
    if (launched) this.forecast.launched(options.clock.now() - from);
    this.end(launch);
  }

  /** The launch is over: with an idle container, an error, or nothing because nobody needs it. */
  private end(launch: Launch, error?: unknown): void {
    this.launches.delete(launch);
    const { waiter } = launch;
    if (waiter) {
      waiter.launch = undefined;
      launch.waiter = undefined;
      if (error !== undefined) this.fail(waiter, error);
    }
    this.launchIfNeeded();
    this.forgetIfEmpty();
  }

  private forgetIfEmpty(): void {
    if (this.waiters.size + this.launches.size + this.containers.size > 0) return;
    this.patience?.cancel();
    this.patience = undefined;
    this.options.onEmpty();
  }
}

function marry(launch: Launch, waiter: Waiter): void {
  launch.waiter = waiter;
  waiter.launch = launch;
}
