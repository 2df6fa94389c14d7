import { CancelledError, type Clock, FnError, inSpan, nanoseconds, observe, type TraceContext } from '@fnfleet/core';
import type { Container, ContainerSpec, Driver, ExitResult, ImagePull, PreparedImage } from '@fnfleet/drivers';
import type { LaunchCause } from '../call/agent-call.js';
import { exitWords } from '../exchange/exit-words.js';
import type { LaunchLimiter } from './launch-limits.js';

/** How long one launch occupies its place in the limiter at most, milliseconds. */
const LIMITER_HOLD_MS = 1_000;

/** Durations in milliseconds. */
export interface ContainerLaunchOptions {
  readonly spec: ContainerSpec;
  readonly driver: Driver;
  readonly limiter: LaunchLimiter;
  readonly clock: Clock;
  readonly pullTimeoutMs: number;
  readonly startTimeoutMs: number;
  /** Cancels the launch. */
  readonly signal: AbortSignal;
  /** Whether the container is still needed, asked before the expensive part. */
  readonly isWanted: () => boolean;
  /** The image is being pulled; undefined once the pull has ended. */
  readonly onPull: (pull: ImagePull | undefined) => void;
  /** The image is present. The receiver must release it. */
  readonly onPrepared: (image: PreparedImage) => void;
  /** The container exists. The receiver must close it. */
  readonly onCreated: (container: Container) => void;
  /**
   * The process ended, during the launch or later.
   * @param result undefined when the engine can no longer say how it ended; `error` says why
   */
  readonly onExit: (result: ExitResult | undefined, error?: unknown) => void;
}

/** No call needed the container any more by the time it could have been created. */
export class NotWanted extends Error {}

/** Launches one container, from its image to an open socket. */
export class ContainerLaunch {
  constructor(private readonly options: ContainerLaunchOptions) {}

  /**
   * @param cause the call that needs it
   * @throws NotWanted, the signal's reason, FnError with what the caller should see, else whatever the driver threw
   */
  async run({ timings, trace }: LaunchCause): Promise<Container> {
    const { clock, limiter, signal } = this.options;
    const prepareFrom = clock.now();
    const image = await inSpan('docker_pull_image', trace, () => this.prepare());
    this.options.onPrepared(image);
    const { pullNs } = image;
    timings.imagePullWaitNs = pullNs;
    const releasePlace = await inSpan('agent_launch_gate', trace, () => limiter.acquire(signal));
    const createFrom = clock.now();
    // Includes the wait for the limiter, which says nothing about the container.
    timings.containerPrepareNs = Math.max(0, nanoseconds(createFrom - prepareFrom) - pullNs);
    // A function that is slow to open its socket must not block other launches.
    const timer = clock.after(LIMITER_HOLD_MS, releasePlace);
    try {
      const container = await this.createAndStart(trace);
      const initFrom = clock.now();
      timings.containerCreateNs = nanoseconds(initFrom - createFrom);
      await inSpan('container_init', trace, () => this.untilListening(container));
      timings.containerInitNs = nanoseconds(clock.now() - initFrom);
      return container;
    } finally {
      timer.cancel();
      releasePlace();
    }
  }

  /** Makes sure that the image is present, pulling it if necessary. */
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

  /** Waits for the socket, the end of the process or the start timeout, whichever comes first. */
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

  /** Resolves with the error that an exit means for a process without an open socket. */
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

  /** Runs one step with a time limit. The signal cancels it. */
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
      // Cancels whatever lost the race inside the step.
      limit.abort(new CancelledError());
    }
  }
}
