import { type Clock, type Deferred, inSpan, type MonoMs, NO_TRACE, type Timer, TurnoverSet } from '@fnfleet/core';
import type { AgentCall, LaunchCause } from '../call/agent-call.js';
import { noTimings } from '../call/build-call.js';
import type { Capacity } from '../resources/capacity.js';
import type { Resources, ResourceToken } from '../resources/resource-tracker.js';
import type { HotContainer } from '../slots/hot-container.js';
import { ContainerMetrics } from './container-metrics.js';

/** What a container is created from. */
export type ContainerSource = Pick<AgentCall, 'model' | 'slotKey' | 'extensions' | 'networkDisabled' | 'logSink'>;

/** A call that waits for a container. */
export interface Waiter {
  /** When it began to wait, by the clock, milliseconds. */
  readonly since: MonoMs;
  readonly call: AgentCall;
  readonly slot: Deferred<HotContainer>;
  /** Listens to the signal of the call while it waits. */
  readonly onAbort: () => void;
  /** The launch that is assigned to it. */
  launch: Launch | undefined;
  /** Ends its wait, or checks whether it should end. */
  limit: Timer | undefined;
}

/** One container that is being launched. */
export interface Launch {
  /** A standby launch continues without a call. */
  readonly purpose: 'call' | 'standby';
  /** The waiting call that it is assigned to. */
  waiter: Waiter | undefined;
  /** Ends the wait for resources. Undefined once they are reserved and the container is being created. */
  reservation: AbortController | undefined;
}

/** Makes the launch belong to this waiter. */
export function assign(launch: Launch, waiter: Waiter): void {
  launch.waiter = waiter;
  waiter.launch = launch;
}

/** Separates the launch from its waiter. */
export function unassign(launch: Launch, waiter: Waiter): void {
  launch.waiter = undefined;
  waiter.launch = undefined;
}

export interface LauncherOptions {
  readonly slotKey: string;
  /** What each container occupies. */
  readonly need: Resources;
  readonly capacity: Capacity;
  readonly clock: Clock;
  /** Creates a container without launching it. The container owns the token. */
  readonly create: (source: ContainerSource, token: ResourceToken, metrics: ContainerMetrics) => HotContainer;
  /** Whether the container is still needed, asked before the expensive part of its launch. */
  readonly isWanted: (launch: Launch) => boolean;
  /** A container is ready. @param ms from its creation to its open socket, without the wait for the launch limiter */
  readonly onLaunched: (ms: number) => void;
  /** The launch ended: with a container, with an error, or with neither because no call needs it any more. */
  readonly onEnd: (launch: Launch, error?: unknown) => void;
}

/** Runs the launches of one slot queue, from the wait for resources to an open socket. */
export class Launcher {
  private readonly launches = new TurnoverSet<Launch>();

  constructor(private readonly options: LauncherOptions) {}

  /** How many launches are in progress, including those that wait for resources. */
  get size(): number {
    return this.launches.size;
  }

  [Symbol.iterator](): Iterator<Launch> {
    return this.launches.values();
  }

  /** Begins a launch for a call that has none. The launch may wait for resources. */
  launchFor(waiter: Waiter): void {
    const reservation = new AbortController();
    const launch = this.add('call', reservation);
    assign(launch, waiter);
    void this.run(launch, () => this.forCall(launch, waiter, reservation.signal));
  }

  /** Begins a standby launch, for no call. @returns false when no resources are free */
  launchSpare(source: ContainerSource): boolean {
    const { clock, capacity, need } = this.options;
    const token = capacity.acquireSpare(need);
    if (token === undefined) return false;
    const launch = this.add('standby');
    const metrics = new ContainerMetrics(clock, source.model);
    void this.run(launch, () => this.make(launch, source, token, metrics, { timings: noTimings(), trace: NO_TRACE }));
    return true;
  }

  private add(purpose: Launch['purpose'], reservation?: AbortController): Launch {
    const launch: Launch = { purpose, waiter: undefined, reservation };
    this.launches.add(launch);
    return launch;
  }

  /** Never rejects. */
  private async run(launch: Launch, action: () => Promise<void>): Promise<void> {
    let failure: unknown;
    try {
      await action();
    } catch (error) {
      failure = error;
    }
    this.launches.delete(launch);
    this.options.onEnd(launch, failure);
  }

  private async forCall(launch: Launch, { call: initiator }: Waiter, signal: AbortSignal): Promise<void> {
    const { clock, capacity, need, slotKey } = this.options;
    const metrics = new ContainerMetrics(clock, initiator.model);
    metrics.enter('wait');
    let token: ResourceToken;
    try {
      token = await inSpan('agent_get_resource_token', initiator.trace, () => capacity.acquire(need, slotKey, signal));
    } catch (error) {
      metrics.leave();
      throw error;
    }
    // The call that caused the launch may have been served meanwhile, and the launch reassigned to another.
    const call = launch.waiter?.call;
    if (call) return this.make(launch, call, token, metrics, call);
    metrics.leave();
    token.release();
  }

  private async make(
    launch: Launch,
    source: ContainerSource,
    token: ResourceToken,
    metrics: ContainerMetrics,
    cause: LaunchCause,
  ): Promise<void> {
    const { create, isWanted, onLaunched } = this.options;
    launch.reservation = undefined;
    const container = create(source, token, metrics);
    const launched = await inSpan('agent_hot_launcher', cause.trace, (trace) =>
      container.launch({ ...cause, trace }, () => isWanted(launch)),
    );
    if (launched) onLaunched((cause.timings.containerCreateNs + cause.timings.containerInitNs) / 1e6);
  }
}

/** How long to wait after a standby launch that failed or was not possible, milliseconds. */
const STANDBY_RETRY_MS = 10_000;

export interface StandbyOptions {
  /** How many containers there should be now. */
  readonly wanted: () => number;
  readonly clock: Clock;
  /** How many containers there are, including those being launched. */
  readonly containers: () => number;
  /** Begins a launch. Returns false when that is not possible. */
  readonly launch: () => boolean;
}

/**
 * Keeps a number of containers of one function started, whether or not there are calls for them. Standby uses only spare
 * resources, and returns them when others have no alternative.
 */
export class Standby {
  private retry: Timer | undefined;

  constructor(private readonly options: StandbyOptions) {}

  get wanted(): number {
    return this.options.wanted();
  }

  /** Launches the missing containers. After a failure it waits for the retry. */
  fill(): void {
    while (this.retry === undefined && this.options.containers() < this.wanted) {
      if (!this.options.launch()) this.retryLater();
    }
  }

  retryLater(): void {
    this.retry ??= this.options.clock.after(STANDBY_RETRY_MS, () => {
      this.retry = undefined;
      this.fill();
    });
  }

  close(): void {
    this.retry?.cancel();
    this.retry = undefined;
  }
}
