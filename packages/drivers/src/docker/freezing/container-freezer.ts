import type { Engine } from '../engine.js';
import type { Freezer } from './cgroup.js';
import type { FreezerFinder } from './freezer-finder.js';

/**
 * Freezes one container and thaws it: through its control group, which takes a tenth of a millisecond, or by asking the
 * engine to pause it, which takes ten.
 */
export class ContainerFreezer {
  /** The one that froze it: only that one can thaw it. */
  private frozenBy: Freezer | undefined;
  private ended = false;

  constructor(
    private readonly containerId: string,
    private readonly finder: FreezerFinder | undefined,
    private readonly engine: Pick<Engine, 'pauseContainer' | 'resumeContainer'>,
  ) {}

  /** @throws what the kernel or the engine says; the container may or may not be frozen then */
  async freeze(): Promise<void> {
    const freezer = (await this.finder?.find(this.containerId)) ?? this.throughEngine;
    if (this.ended) return;
    this.frozenBy = freezer;
    await freezer.freeze();
  }

  /** Of no effect when it is not frozen. */
  async thaw(): Promise<void> {
    await this.frozenBy?.thaw();
    this.frozenBy = undefined;
  }

  /** Before the container is killed: what is frozen in a control group cannot die. The engine knows what it has paused. */
  async end(): Promise<void> {
    this.ended = true;
    if (this.frozenBy !== this.throughEngine) await this.thaw();
  }

  private readonly throughEngine: Freezer = {
    freeze: () => this.engine.pauseContainer(this.containerId),
    thaw: () => this.engine.resumeContainer(this.containerId),
  };
}
