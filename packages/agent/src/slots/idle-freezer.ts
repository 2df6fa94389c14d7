import type { Clock } from '@fnfleet/core';
import type { Container } from '@fnfleet/drivers';
import { LazyTimer } from '../exchange/lazy-timer.js';

export interface IdleFreezerOptions {
  readonly clock: Clock;
  readonly container: Pick<Container, 'pause' | 'resume'>;
  /** Milliseconds of idleness; Infinity: never. */
  readonly afterMs: number;
  /** It is frozen now, and idle. */
  readonly onFrozen: () => void;
  /** It could not be frozen, or not be thawed. */
  readonly onFailed: (step: 'freeze' | 'thaw', error: unknown) => void;
}

/**
 * Freezes a container once it has been idle for a while, and thaws it for a call. An idle function that polls or
 * collects garbage costs the others nothing.
 *
 *   awake ──idle long enough──▶ freezing ──▶ frozen
 *     ▲                            └────┬──────┘
 *     └──────── thawing ◀──────idle ends┘
 *
 * The driver is asked for one thing at a time, in order.
 */
export class IdleFreezer {
  private readonly timer: LazyTimer;
  /** Set from the beginning of a freeze until the container is claimed; tells how it went. */
  private freezing: Promise<boolean> | undefined;
  private thawing: Promise<void> = Promise.resolve();
  private frozen = false;

  constructor(private readonly options: IdleFreezerOptions) {
    this.timer = new LazyTimer(options.clock, () => {
      this.freezing = this.freeze();
    });
  }

  get isFrozen(): boolean {
    return this.frozen;
  }

  idleBegins(): void {
    if (this.options.afterMs !== Number.POSITIVE_INFINITY) this.timer.set(this.options.afterMs);
  }

  /** Begins to thaw what is frozen. Who writes to the function need not wait for it. */
  idleEnds(): void {
    this.timer.clear();
    const { freezing } = this;
    if (freezing === undefined) return;
    this.freezing = undefined;
    this.frozen = false;
    this.thawing = this.thaw(freezing);
  }

  /** Freezes no more, and tells of nothing more. Resolves when the driver is done with what it was asked. */
  async stop(): Promise<void> {
    this.timer.stop();
    const { freezing } = this;
    this.freezing = undefined;
    await Promise.all([freezing, this.thawing]);
  }

  private async freeze(): Promise<boolean> {
    await this.thawing;
    try {
      await this.options.container.pause();
    } catch (error) {
      this.options.onFailed('freeze', error);
      return false;
    }
    // Claimed meanwhile: it will be thawed. Or stopped: it is no longer idle.
    if (this.freezing === undefined) return true;
    this.frozen = true;
    this.options.onFrozen();
    return true;
  }

  private async thaw(freezing: Promise<boolean>): Promise<void> {
    const froze = await freezing;
    try {
      await this.options.container.resume();
    } catch (error) {
      // Of a failed freeze nobody knows what it did; that there is nothing to thaw is likely.
      if (froze) this.options.onFailed('thaw', error);
    }
  }
}
