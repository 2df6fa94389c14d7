import type { Clock } from '@fnfleet/core';
import type { Container } from '@fnfleet/drivers';
import { LazyTimer } from '../exchange/lazy-timer.js';

export interface IdleFreezerOptions {
  readonly clock: Clock;
  readonly container: Pick<Container, 'pause' | 'resume'>;
  /** Idle time before freezing, milliseconds; Infinity: never. */
  readonly afterMs: number;
  /** The container was frozen and is still idle. */
  readonly onFrozen: () => void;
  /** The container could not be frozen or thawed. */
  readonly onFailed: (step: 'freeze' | 'thaw', error: unknown) => void;
}

/**
 * Freezes a container once it has been idle for a while, and thaws it for a call, so that an idle function that polls or
 * collects garbage takes no CPU from others.
 *
 *   awake ──idle long enough──▶ freezing ──▶ frozen
 *     ▲                            └────┬──────┘
 *     └──────── thawing ◀──────idle ends┘
 *
 * Requests to the driver never overlap.
 */
export class IdleFreezer {
  private readonly timer: LazyTimer;
  /** Set from the beginning of a freeze until the container is claimed; resolves with whether it succeeded. */
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

  /** Begins to thaw a frozen container, at once. Writing to the function need not wait for it. */
  idleEnds(): void {
    this.timer.cancel();
    const { freezing, frozen } = this;
    if (freezing === undefined) return;
    this.freezing = undefined;
    this.frozen = false;
    this.thawing = frozen ? this.thaw(true) : freezing.then((froze) => this.thaw(froze));
  }

  /** Stops freezing and calling back. Resolves when pending requests to the driver have ended. */
  async close(): Promise<void> {
    this.timer.close();
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
    // Either it was claimed meanwhile and will be thawed, or it was stopped.
    if (this.freezing === undefined) return true;
    this.frozen = true;
    this.options.onFrozen();
    return true;
  }

  private async thaw(froze: boolean): Promise<void> {
    try {
      await this.options.container.resume();
    } catch (error) {
      // After a failed freeze there is probably nothing to thaw, so a failure is expected.
      if (froze) this.options.onFailed('thaw', error);
    }
  }
}
