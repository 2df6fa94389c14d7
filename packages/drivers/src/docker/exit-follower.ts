import { type Clock, Deferred } from '@fnfleet/core';
import type { ExitResult } from '../driver.js';
import type { Engine, ExitWatch } from './engine.js';
import { isNotFound } from './engine-errors.js';

/** As after SIGKILL: what is assumed of a container whose end nobody saw. */
const KILLED = 137;
const RECONNECT_MS = 1_000;

/**
 * Waits for the end of one container. The watch stands before the container starts, so that the shortest life is seen;
 * when the connection is lost (the daemon restarts), it is taken up again. Until then the container is asked itself: a
 * daemon that restarts may take its containers along, and no call should be the first to find out.
 */
export class ExitFollower {
  private readonly exited = new Deferred<ExitResult>();
  private readonly stopped = new AbortController();
  private watch: ExitWatch | undefined;
  private ended = false;

  constructor(
    private readonly engine: Engine,
    private readonly clock: Clock,
    private readonly containerId: string,
    /** Whether the container can be seen to be dead without the engine. */
    private readonly looksDead: () => Promise<boolean>,
  ) {}

  get exit(): Promise<ExitResult> {
    return this.exited.promise;
  }

  /** The engine has told of the end. */
  get hasEnded(): boolean {
    return this.ended;
  }

  /** Resolves when the engine keeps watch. To be called before the start. */
  async begin(): Promise<void> {
    const watch = await this.engine.watchExit(this.containerId, 'next-exit');
    void this.follow(watch);
  }

  /** For a container that was removed: settles `exit` if nothing did before. */
  stop(): void {
    this.stopped.abort();
    this.watch?.stop();
    this.exited.resolve({ exitCode: KILLED, outOfMemory: false });
  }

  private async follow(first: ExitWatch): Promise<void> {
    let watch: ExitWatch | undefined = first;
    while (watch !== undefined) {
      this.watch = watch;
      if (this.stopped.signal.aborted) return watch.stop();
      try {
        const exitCode = await watch.exitCode;
        this.ended = true;
        return this.exited.resolve(await this.resultOf(exitCode));
      } catch {
        watch = await this.reconnect();
      }
    }
    this.stop();
  }

  /** Undefined when there is nothing to watch any more. */
  private async reconnect(): Promise<ExitWatch | undefined> {
    while (!this.stopped.signal.aborted) {
      await this.clock.sleep(RECONNECT_MS, this.stopped.signal);
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
    // Only SIGKILL can have come from the memory limit; and a container that is being removed tells nothing.
    if (exitCode !== KILLED || this.stopped.signal.aborted) return { exitCode, outOfMemory: false };
    const { outOfMemory } = await this.engine.inspectContainer(this.containerId).catch(() => ({ outOfMemory: false }));
    return { exitCode, outOfMemory };
  }
}
