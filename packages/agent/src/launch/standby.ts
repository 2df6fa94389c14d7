import type { Clock, Timer } from '@fnfleet/core';

/** How long after a launch that was not possible, or failed, the next is tried, milliseconds. */
const RETRY_MS = 10_000;

export interface StandbyOptions {
  /** How many containers there should be now. */
  readonly wanted: () => number;
  readonly clock: Clock;
  /** How many there are, those on their way included. */
  readonly containers: () => number;
  /** Begins a launch; false when it is not possible. */
  readonly launch: () => boolean;
}

/**
 * Keeps a number of containers of one function started, whether there are calls for them or not. It takes only room that
 * nobody needs, and gives it back when others have no other.
 */
export class Standby {
  private retry: Timer | undefined;

  constructor(private readonly options: StandbyOptions) {}

  get wanted(): number {
    return this.options.wanted();
  }

  /** Launches what is missing. After a failure that waits for the retry. */
  fill(): void {
    while (this.retry === undefined && this.options.containers() < this.wanted) {
      if (!this.options.launch()) this.retryLater();
    }
  }

  retryLater(): void {
    this.retry ??= this.options.clock.after(RETRY_MS, () => {
      this.retry = undefined;
      this.fill();
    });
  }

  stop(): void {
    this.retry?.cancel();
    this.retry = undefined;
  }
}
