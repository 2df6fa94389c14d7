import type { Clock, Timer } from '@fnfleet/core';

/** How long after a launch that was not possible, or failed, the next is tried, milliseconds. */
const RETRY_MS = 10_000;

export interface StandbyOptions {
  /** How many containers there should be. */
  readonly wanted: number;
  readonly clock: Clock;
  /** How many there are, those on their way included. */
  readonly containers: () => number;
  /** Begins a launch; false when there is no room. */
  readonly launch: () => boolean;
}

/**
 * Keeps a number of containers of one function started, whether there are calls for them or not. It takes only room that
 * nobody needs, and gives it back when others have no other.
 */
export class Standby {
  private retry: Timer | undefined;
  private state: 'on' | 'resting' | 'ended' = 'on';

  constructor(private readonly options: StandbyOptions) {}

  get wanted(): number {
    return this.state === 'on' ? this.options.wanted : 0;
  }

  /** Launches what is missing. After a failure that waits for the retry. */
  fill(): void {
    while (this.retry === undefined && this.options.containers() < this.wanted) {
      if (!this.options.launch()) this.retryLater();
    }
  }

  retryLater(): void {
    if (this.wanted === 0) return;
    this.retry ??= this.options.clock.after(RETRY_MS, () => {
      this.retry = undefined;
      this.fill();
    });
  }

  /** Keeps none until `wake`. */
  rest(): void {
    if (this.state === 'on') this.stop('resting');
  }

  wake(): void {
    if (this.state === 'resting') this.state = 'on';
  }

  /** Keeps none any more. */
  end(): void {
    this.stop('ended');
  }

  private stop(state: 'resting' | 'ended'): void {
    this.state = state;
    this.retry?.cancel();
    this.retry = undefined;
  }
}
