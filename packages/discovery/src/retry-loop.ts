import { type Clock, Deferred, Once } from '@fnfleet/core';
import type { MembershipListener, MembershipSource, SourceDeps } from './membership.js';

export interface RetryLoopOptions {
  /** @returns how long to pause, milliseconds. Errors are passed to `onFailure`. */
  readonly act: (signal: AbortSignal) => Promise<number>;
  readonly onFailure: (error: Error) => void;
  readonly clock: Clock;
  /** Uniform, 0 to below 1. */
  readonly random: () => number;
  /** The longest pause after a failure, milliseconds. Default 30 000. */
  readonly maxRetryMs?: number;
}

const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 30_000;

/**
 * Repeats an action until closed.
 *
 *   acting ──returns──▶ resting ──time is over, woken──▶ acting
 *      └────throws────▶ resting, longer with each consecutive failure
 *
 * Pauses after a failure have jitter: processes that lost the same server together must not all come back at once.
 */
export class RetryLoop {
  private readonly lifetime = new AbortController();
  private running: Promise<void> | undefined;
  /** Resolved to end the pause. A pause that has not begun yet is skipped. */
  private woken = new Deferred<void>();

  constructor(private readonly options: RetryLoopOptions) {}

  /** Does nothing if the loop runs or is closed. */
  start(): void {
    if (!this.lifetime.signal.aborted) this.running ??= this.run();
  }

  /** Acts again at once, or right after the current action. */
  wake(): void {
    this.woken.resolve();
  }

  /** Tells the current action to end and waits for it. Idempotent, never rejects. */
  close(): Promise<void> {
    return this.closing.call();
  }

  private readonly closing = new Once(async () => {
    this.lifetime.abort();
    this.wake();
    await this.running;
  });

  private async run(): Promise<void> {
    const { act, onFailure } = this.options;
    const { signal } = this.lifetime;
    for (let failures = 0; !signal.aborted; ) {
      this.woken = new Deferred();
      let restMs: number;
      try {
        restMs = await act(signal);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        onFailure(error instanceof Error ? error : new Error(String(error)));
        restMs = this.retryMs(failures);
        failures += 1;
      }
      if (!signal.aborted && restMs > 0) await this.rest(restMs);
    }
  }

  private async rest(restMs: number): Promise<void> {
    const timer = this.options.clock.after(restMs, () => this.wake());
    await this.woken.promise;
    timer.cancel();
  }

  private retryMs(failures: number): number {
    const { random, maxRetryMs = MAX_RETRY_MS } = this.options;
    const ceiling = Math.min(maxRetryMs, FIRST_RETRY_MS * 2 ** Math.min(failures, 30));
    return ceiling / 2 + (random() * ceiling) / 2;
  }
}

/**
 * Reads a source once, or watches it for a while, and reports what it finds.
 * @returns how long to wait before the next read, milliseconds
 * @throws why the source could not be read
 */
export type Look = (found: MembershipListener, signal: AbortSignal) => Promise<number>;

/** Reads a source repeatedly; see `RetryLoop` for what happens after a failure. */
export class RetryingSource implements MembershipSource {
  private readonly loop: RetryLoop;
  private listener: MembershipListener | undefined;

  constructor(look: Look, deps: Pick<SourceDeps, 'clock' | 'random'>) {
    const found: MembershipListener = {
      onMembers: (addresses) => this.listener?.onMembers(addresses),
      onFailure: (error) => this.listener?.onFailure(error),
    };
    this.loop = new RetryLoop({ ...deps, act: (signal) => look(found, signal), onFailure: found.onFailure });
  }

  start(listener: MembershipListener): void {
    this.listener = listener;
    this.loop.start();
  }

  /** Reads again at once, or right after the current read. */
  wake(): void {
    this.loop.wake();
  }

  close(): Promise<void> {
    this.listener = undefined;
    return this.loop.close();
  }
}
