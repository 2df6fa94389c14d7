import { type Clock, Deferred } from '@fnfleet/core';
import type { ExitResult } from '../driver.js';
import type { Engine, ExitWatch } from './engine.js';
import { isNotFound } from './engine-errors.js';

/** The exit code after SIGKILL, assumed for a container whose exit was not observed. */
const KILLED = 137;
const RECONNECT_MS = 1_000;

/**
 * Waits for the exit of one container. The watch begins before the container starts, so that even the shortest run is observed.
 * When the connection is lost (the daemon restarts), it reconnects. Until then the container itself is probed: a restarting
 * daemon may end its containers, and a call should not be the first to notice.
 */
export class ExitFollower {
  private readonly exited = new Deferred<ExitResult>();
  private readonly lifetime = new AbortController();
  private watch: ExitWatch | undefined;
  private ended = false;

  constructor(
    private readonly engine: Engine,
    private readonly clock: Clock,
    private readonly containerId: string,
    /** Whether the container is seen to be dead, without asking the engine. */
    private readonly looksDead: () => Promise<boolean>,
  ) {}

  get exit(): Promise<ExitResult> {
    return this.exited.promise;
  }

  /** Whether the engine has reported the exit. */
  get hasEnded(): boolean {
    return this.ended;
  }

  /** Resolves when the watch is established. Call it before the start of the container. */
  async open(): Promise<void> {
    const watch = await this.engine.watchExit(this.containerId, 'next-exit');
    void this.follow(watch);
  }

  /** Call it after the container was removed. Settles `exit` if it is still pending. */
  close(): void {
    this.lifetime.abort();
    this.watch?.close();
    this.exited.resolve({ exitCode: KILLED, outOfMemory: false });
  }

  private async follow(first: ExitWatch): Promise<void> {
    let watch: ExitWatch | undefined = first;
    while (watch !== undefined) {
      this.watch = watch;
      if (this.lifetime.signal.aborted) return watch.close();
      try {
        const exitCode = await watch.exitCode;
        this.ended = true;
        return this.exited.resolve(await this.resultOf(exitCode));
      } catch {
        watch = await this.reconnect();
      }
    }
    this.close();
  }

  /** Undefined if there is nothing left to watch. */
  private async reconnect(): Promise<ExitWatch | undefined> {
    while (!this.lifetime.signal.aborted) {
      await this.clock.sleep(RECONNECT_MS, this.lifetime.signal);
      try {
        return await this.engine.watchExit(this.containerId, 'not-running');
      } catch (error) {
        if (isNotFound(error)) return undefined;
      }
      if (await this.looksDead()) return undefined;
    }
    return undefined;
  }

  private async resultOf(exitCode: number): Promise<ExitResult> {
    // Only SIGKILL can come from the memory limit, and a container that is being removed cannot be inspected.
    if (exitCode !== KILLED || this.lifetime.signal.aborted) return { exitCode, outOfMemory: false };
    const { outOfMemory } = await this.engine.inspectContainer(this.containerId).catch(() => ({ outOfMemory: false }));
    return { exitCode, outOfMemory };
  }
}
