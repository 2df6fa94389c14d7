import { type Clock, type Deferred, inSpan, type MonoMs, NO_TRACE, type Timer, TurnoverSet } from '@fnfleet/core';
import type { AgentCall, LaunchCause } from '../call/agent-call.js';
import { noTimings } from '../call/build-call.js';
import type { Capacity } from '../resources/capacity.js';
import type { Resources, ResourceToken } from '../resources/resource-tracker.js';
import type { HotContainer } from '../slots/hot-container.js';
import { ContainerMetrics } from './container-metrics.js';

/** What a container is made from. */
export type ContainerSource = Pick<AgentCall, 'model' | 'slotKey' | 'extensions' | 'networkDisabled' | 'logSink'>;

/** A call that waits for a container. */
export interface Waiter {
  /** By the clock, milliseconds. */
  readonly since: MonoMs;
  readonly call: AgentCall;
  readonly slot: Deferred<HotContainer>;
  /** The launch that it caused. */
  launch: Launch | undefined;
  /** Ends its wait, or looks whether it should end. */
  limit: Timer | undefined;
}

/** One container on its way. */
export interface Launch {
  /** What it is for. One for standby goes on without a call. */
  readonly purpose: 'call' | 'standby';
  /** The call that caused it, as long as that waits. */
  waiter: Waiter | undefined;
  /** Gives up the wait for resources. */
  readonly giveUp: AbortController;
  /** The resources are there, the container is being made. */
  begun: boolean;
}

/** From now on the launch is the waiter's. */
export function marry(launch: Launch, waiter: Waiter): void {
  launch.waiter = waiter;
  waiter.launch = launch;
}

/** Neither has to do with the other any more. */
export function divorce(launch: Launch, waiter: Waiter): void {
  launch.waiter = undefined;
  waiter.launch = undefined;
}

export interface LauncherOptions {
  readonly slotKey: string;
  /** What each container occupies. */
  readonly need: Resources;
  readonly capacity: Capacity;
  readonly clock: Clock;
  /** Makes a container, which has not been launched yet. Its resources are the token's. */
  readonly create: (source: ContainerSource, token: ResourceToken, metrics: ContainerMetrics) => HotContainer;
  /** Whether a container is still worth its costly part. */
  readonly isWanted: (launch: Launch) => boolean;
  /** A container is there; milliseconds from its creation to its socket, without the wait for its turn. */
  readonly onLaunched: (ms: number) => void;
  /** The launch is over: with a container, an error, or nothing because nobody needs it. */
  readonly onEnd: (launch: Launch, error?: unknown) => void;
}

/** Sees launches through, from the wait for room to an open socket. */
export class Launcher {
  private readonly launches = new TurnoverSet<Launch>();

  constructor(private readonly options: LauncherOptions) {}

  /** Containers that are on their way, those that wait for resources included. */
  get size(): number {
    return this.launches.size;
  }

  [Symbol.iterator](): Iterator<Launch> {
    return this.launches.values();
  }

  /** Begins a launch for a call that has none. It may wait for room. */
  launchFor(waiter: Waiter): void {
    const launch = this.add('call');
    marry(launch, waiter);
    void this.run(launch, () => this.forCall(launch, waiter));
  }

  /** Begins a launch for no call. False when there is no room that is free. */
  launchSpare(source: ContainerSource): boolean {
    const { clock, capacity, need } = this.options;
    const token = capacity.acquireSpare(need);
    if (token === undefined) return false;
    const launch = this.add('standby');
    const metrics = new ContainerMetrics(clock, source.model);
    void this.run(launch, () => this.make(launch, source, token, metrics, { timings: noTimings(), trace: NO_TRACE }));
    return true;
  }

  private add(purpose: Launch['purpose']): Launch {
    const launch: Launch = { purpose, waiter: undefined, giveUp: new AbortController(), begun: false };
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

  private async forCall(launch: Launch, { call: causer }: Waiter): Promise<void> {
    const { clock, capacity, need, slotKey } = this.options;
    const metrics = new ContainerMetrics(clock, causer.model);
    metrics.enter('wait');
    let token: ResourceToken;
    try {
      token = await inSpan('agent_get_resource_token', causer.trace, () =>
        capacity.acquire(need, slotKey, launch.giveUp.signal),
      );
    } catch (error) {
      metrics.leave();
      throw error;
    }
    // The call that caused the launch may have been served meanwhile, and another have taken it over.
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
    launch.begun = true;
    const container = create(source, token, metrics);
    const launched = await inSpan('agent_hot_launcher', cause.trace, (trace) =>
      container.launch({ ...cause, trace }, () => isWanted(launch)),
    );
    if (launched) onLaunched((cause.timings.containerCreateNs + cause.timings.containerInitNs) / 1e6);
  }
}
