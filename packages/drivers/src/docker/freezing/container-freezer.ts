import type { HealthView } from '../../driver-health.js';
import type { Engine } from '../engine.js';
import { isNobodyThere } from '../engine-errors.js';
import type { Freezer } from './cgroup.js';
import type { FreezerFinder } from './freezer-finder.js';

/**
 * Freezes and thaws one container: through its control group, which takes a tenth of a millisecond, or through the engine, which
 * takes ten milliseconds.
 *
 * While the engine is degraded the container stays awake: a restarting daemon may have to end it, and a process that is frozen in
 * a control group cannot die.
 *
 * Steps run one at a time, in order: a freeze could otherwise undo a concurrent thaw.
 */
export class ContainerFreezer {
  /** The freezer of its control group, once it was found. */
  private group: Freezer | undefined;
  /** The freezer that froze it, the only one that can thaw it. */
  private frozenBy: Freezer | undefined;
  private closed = false;
  /** The last step, while it has not ended; never rejects. */
  private last: Promise<unknown> | undefined;
  private readonly unsubscribe: () => void;

  constructor(
    private readonly containerId: string,
    private readonly finder: FreezerFinder | undefined,
    private readonly engine: Pick<Engine, 'pauseContainer' | 'resumeContainer'>,
    private readonly health: HealthView,
  ) {
    this.unsubscribe = health.onChange(({ state }) => {
      // It fails if the container is gone.
      if (state === 'degraded') void this.next(() => this.thawGroup()).catch(() => undefined);
    });
  }

  /** @throws the error of the kernel or the engine; the container may or may not be frozen then */
  freeze(): Promise<void> {
    return this.next(async () => {
      this.group ??= await this.finder?.find(this.containerId);
      const freezer = this.group ?? this.throughEngine;
      if (this.closed || this.health.now.state === 'degraded') return;
      this.frozenBy = freezer;
      await freezer.freeze();
    });
  }

  /**
   * Does nothing if it is not frozen. Through its control group, the container is thawed when this returns, unless another step has not
   * ended: a call waits for it.
   */
  thaw(): Promise<void> {
    return this.next(() => this.thawNow());
  }

  /**
   * Call it before the container is killed: a process that is frozen in a control group cannot die. The engine handles its own
   * pauses.
   */
  async close(): Promise<void> {
    this.closed = true;
    this.unsubscribe();
    try {
      await this.next(() => this.thawGroup());
    } finally {
      await this.group?.close();
    }
  }

  private next(step: () => Promise<void>): Promise<void> {
    const done = this.last === undefined ? step() : this.last.then(step);
    const onEnded = () => {
      if (this.last === ended) this.last = undefined;
    };
    const ended = done.then(onEnded, onEnded);
    this.last = ended;
    return done;
  }

  private async thawNow(): Promise<void> {
    const thawing = this.frozenBy?.thaw();
    if (thawing !== undefined) await thawing;
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
        // It stays awake, which is harmless.
        this.frozenBy = undefined;
      }
    },
    thaw: () => this.engine.resumeContainer(this.containerId),
    close: () => Promise.resolve(),
  };
}
