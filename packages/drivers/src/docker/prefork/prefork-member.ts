import { type Clock, Deferred, type Logger } from '@fnfleet/core';
import type { ContainerCreateOptions } from 'dockerode';
import type { HealthView } from '../../driver-health.js';
import { removeContainer } from '../container-removal.js';
import type { Engine } from '../engine.js';
import { EngineError } from '../engine-errors.js';
import { ExitFollower } from '../exit-follower.js';

export interface PreforkDeps {
  readonly engine: Engine;
  readonly health: HealthView;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Aborts all attempts to remove a container. */
  readonly abandon: AbortSignal;
}

/**
 * One container of the pool, from its creation to its removal.
 *
 *   creating ──▶ starting ──▶ running ──exit, close──▶ removed
 *       └───────────┴── failure ──────────────────────────▲
 */
export class PreforkMember {
  private readonly closed = new Deferred<void>();
  private id = '';
  /** Whether the engine created it, so that it has to be removed. */
  private made: 'yes' | 'no' | 'unknown' = 'no';

  constructor(
    readonly name: string,
    private readonly request: ContainerCreateOptions,
    private readonly deps: PreforkDeps,
  ) {}

  /** The network mode of a container that shares the network of this one. */
  get network(): string {
    return `container:${this.id}`;
  }

  /** Ends the container, now or as soon as it runs. Idempotent. */
  close(): void {
    this.closed.resolve();
  }

  /**
   * Resolves when the container has run, exited and was removed.
   * @param onRunning called when it can be lent
   * @param onEnded called after onRunning and before the removal, when it can no longer be lent
   * @throws the error of the engine, after the removal
   */
  async live({ onRunning, onEnded }: { onRunning: () => void; onEnded: () => void }): Promise<void> {
    const { engine, clock } = this.deps;
    const exit = new ExitFollower(engine, clock, this.name, async () => false);
    try {
      await this.create();
      await exit.open();
      await engine.startContainer(this.name);
      onRunning();
      await Promise.race([exit.exit, this.closed.promise]);
      onEnded();
    } finally {
      await this.remove(exit);
    }
  }

  private async create(): Promise<void> {
    this.made = 'unknown';
    try {
      this.id = await this.deps.engine.createContainer(this.request);
      this.made = 'yes';
    } catch (error) {
      if (error instanceof EngineError) this.made = 'no';
      throw error;
    }
  }

  private async remove(exit: ExitFollower): Promise<void> {
    const { made, name: id, deps } = this;
    if (made !== 'no') await removeContainer({ ...deps, id, made, hasExited: () => exit.hasEnded });
    exit.close();
  }
}
