import type { HealthView } from '../../driver-health.js';
import type { Engine } from '../engine.js';
import { isNobodyThere } from '../engine-errors.js';
import type { Freezer } from './cgroup.js';
import type { FreezerFinder } from './freezer-finder.js';

/**
 * Freezes one container and thaws it: through its control group, which takes a tenth of a millisecond, or by asking the
 * engine to pause it, which takes ten.
 *
 * While the engine is degraded the container is awake: a daemon that restarts may have to end it, and waits for what is
 * frozen in a control group, which cannot die.
 *
 * One step at a time, in order: a thaw in the middle of a freeze could be undone by it.
 */
export class ContainerFreezer {
  /** The one that froze it: only that one can thaw it. */
  private frozenBy: Freezer | undefined;
  private ended = false;
  /** The last step; never rejects. */
  private last: Promise<unknown> = Promise.resolve();
  private readonly unsubscribe: () => void;

  constructor(
    private readonly containerId: string,
    private readonly finder: FreezerFinder | undefined,
    private readonly engine: Pick<Engine, 'pauseContainer' | 'resumeContainer'>,
    private readonly health: HealthView,
  ) {
    this.unsubscribe = health.onChange(({ state }) => {
      // A container that is gone has nothing to thaw.
      if (state === 'degraded') void this.next(() => this.thawGroup()).catch(() => undefined);
    });
  }

  /** @throws what the kernel or the engine says; the container may or may not be frozen then */
  freeze(): Promise<void> {
    return this.next(async () => {
      const freezer = (await this.finder?.find(this.containerId)) ?? this.throughEngine;
      if (this.ended || this.health.now.state === 'degraded') return;
      this.frozenBy = freezer;
      await freezer.freeze();
    });
  }

  /** Of no effect when it is not frozen. */
  thaw(): Promise<void> {
    return this.next(() => this.thawNow());
  }

  /** Before the container is killed: what is frozen in a control group cannot die. The engine knows what it has paused. */
  async end(): Promise<void> {
    this.ended = true;
    this.unsubscribe();
    await this.next(() => this.thawGroup());
  }

  private next(step: () => Promise<void>): Promise<void> {
    const done = this.last.then(step);
    this.last = done.catch(() => undefined);
    return done;
  }

  private async thawNow(): Promise<void> {
    await this.frozenBy?.thaw();
    this.frozenBy = undefined;
  }

  private async thawGroup(): Promise<void> {
    if (this.frozenBy !== this.throughEngine) await this.thawNow();
  }

  private readonly throughEngine: Freezer = {
    freeze: async () => {
      try {
        await this.engine.pauseContainer(this.containerId);
      } catch (error) {
        if (!isNobodyThere(error)) throw error;
        // It stays awake, which does no harm.
        this.frozenBy = undefined;
      }
    },
    thaw: () => this.engine.resumeContainer(this.containerId),
  };
}
