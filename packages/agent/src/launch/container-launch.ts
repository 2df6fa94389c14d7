import { CancelledError, type Clock, FnError, inSpan, nanoseconds, observe, type TraceContext } from '@fnfleet/core';
import type { Container, ContainerSpec, Driver, ExitResult, ImagePull, PreparedImage } from '@fnfleet/drivers';
import type { LaunchCause } from '../call/agent-call.js';
import { exitWords } from '../exchange/exit-words.js';
import type { LaunchGate } from './launch-gate.js';

/** How long one launch keeps its place in the gate at most, milliseconds. */
const GATE_HOLD_MS = 1_000;

/** Durations in milliseconds. */
export interface ContainerLaunchOptions {
  readonly spec: ContainerSpec;
  readonly driver: Driver;
  readonly gate: LaunchGate;
  readonly clock: Clock;
  readonly pullTimeoutMs: number;
  readonly startTimeoutMs: number;
  /** Cuts the launch short. */
  readonly signal: AbortSignal;
  /** Asked before the costly part. */
  readonly isWanted: () => boolean;
  /** The image has to be pulled; undefined: it no longer is. */
  readonly onPull: (pull: ImagePull | undefined) => void;
  /** The image is here, lent until somebody releases it. */
  readonly onPrepared: (image: PreparedImage) => void;
  /** There is a container, which somebody has to close. */
  readonly onCreated: (container: Container) => void;
  /** The process has ended, now or later; undefined when the engine cannot tell any more, with why. */
  readonly onExit: (result: ExitResult | undefined, error?: unknown) => void;
}

/** By the time it could have been made, nobody wanted the container. */
export class NotWanted extends Error {}

/** Brings one container from its image to an open socket. */
export class ContainerLaunch {
  constructor(private readonly options: ContainerLaunchOptions) {}

  /**
   * @param cause the call that needs it
   * @throws NotWanted, the signal's reason, FnError what the caller should see, else whatever the driver threw
   */
  async run({ timings, trace }: LaunchCause): Promise<Container> {
    const { clock, gate, signal } = this.options;
    const prepareFrom = clock.now();
    const image = await inSpan('docker_pull_image', trace, () => this.prepare());
    this.options.onPrepared(image);
    const { pullNs } = image;
    timings.imagePullWaitNs = pullNs;
    const leaveGate = await inSpan('agent_launch_gate', trace, () => gate.enter(signal));
    const createFrom = clock.now();
    // The wait for its turn included: it says nothing about the container.
    timings.containerPrepareNs = Math.max(0, nanoseconds(createFrom - prepareFrom) - pullNs);
    // A function that takes its time to listen does not keep the others from being started.
    const timer = clock.after(GATE_HOLD_MS, leaveGate);
    try {
      const container = await this.createAndStart(trace);
      const initFrom = clock.now();
      timings.containerCreateNs = nanoseconds(initFrom - createFrom);
      await inSpan('container_init', trace, () => this.untilListening(container));
      timings.containerInitNs = nanoseconds(clock.now() - initFrom);
      return container;
    } finally {
      timer.cancel();
      leaveGate();
    }
  }

  /** The image is here, pulled if need be. */
  private async prepare(): Promise<PreparedImage> {
    const { spec, driver, pullTimeoutMs, onPull } = this.options;
    try {
      return await this.within(pullTimeoutMs, 'imagePullTimeout', (limited) =>
        driver.prepareImage(spec, limited, onPull),
      );
    } finally {
      onPull(undefined);
    }
  }

  private async createAndStart(trace: TraceContext): Promise<Container> {
    const { driver, spec, signal, isWanted, onCreated } = this.options;
    if (!isWanted()) throw new NotWanted();
    const container = await inSpan('docker_create_container', trace, () => driver.create(spec, signal));
    onCreated(container);
    signal.throwIfAborted();
    await inSpan('docker_start_container', trace, () => container.start(signal));
    return container;
  }

  /** Waits for the socket, the end of the process or the end of patience, whichever is first. */
  private async untilListening(container: Container): Promise<void> {
    const exited = this.failureOnExit(container);
    const startedAt = this.options.clock.now();
    let outcome = 'canceled';
    try {
      await this.within(this.options.startTimeoutMs, 'containerInitTimeout', (signal) =>
        Promise.race([container.listening(signal), exited.then((error) => Promise.reject(error))]),
      );
      outcome = 'initialized';
    } catch (error) {
      if (error instanceof FnError && error.code === 'containerInitTimeout') outcome = 'timedout';
      throw error;
    } finally {
      const ms = this.options.clock.now() - startedAt;
      observe('container_uds_init_latency', ms, { container_uds_state: outcome });
    }
  }

  /** What the end of the process means as long as it has no socket. */
  private async failureOnExit(container: Container): Promise<FnError> {
    try {
      const result = await container.wait();
      this.options.onExit(result);
      const detail = exitWords(result, this.options.spec.memoryMb);
      return new FnError('containerInitFailed', { cause: new Error(detail), detail });
    } catch (cause) {
      this.options.onExit(undefined, cause);
      return new FnError('containerInitFailed', { cause });
    }
  }

  /** Runs one step with a limit in time; the signal cuts it short. */
  private async within<T>(
    limitMs: number,
    code: 'imagePullTimeout' | 'containerInitTimeout',
    step: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { clock, signal } = this.options;
    const limit = new AbortController();
    const timer = clock.after(limitMs, () => limit.abort(new FnError(code)));
    const onStop = () => limit.abort(signal.reason);
    signal.addEventListener('abort', onStop, { once: true });
    try {
      signal.throwIfAborted();
      return await step(limit.signal);
    } catch (error) {
      throw limit.signal.aborted ? limit.signal.reason : error;
    } finally {
      timer.cancel();
      signal.removeEventListener('abort', onStop);
      // Whoever lost the race inside the step is told that nobody waits any more.
      limit.abort(new CancelledError());
    }
  }
}
