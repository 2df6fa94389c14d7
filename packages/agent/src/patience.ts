import type { Clock, Timer } from '@fnfleet/core';
import { LaunchForecast } from './launch-forecast.js';

/**
 * How long calls of one function wait for its hot containers before another is launched for them. Instants and durations
 * in milliseconds.
 */
export class Patience {
  private readonly forecast = new LaunchForecast();
  /** When a container last became hot while none was. */
  private hotSince = 0;
  private timer: Timer | undefined;

  constructor(
    private readonly clock: Clock,
    /** The patience of a call is over. */
    private readonly onOver: () => void,
  ) {}

  served(ms: number): void {
    this.forecast.served(ms);
  }

  launched(ms: number): void {
    this.forecast.launched(ms);
  }

  /** The first container is hot: who waits may begin to wait for it. */
  begin(): void {
    this.hotSince = this.clock.now();
  }

  /** @param since when the call began to wait */
  allows(since: number, callsBefore: number, hotContainers: number): boolean {
    return this.leftMs(since) > 0 && this.forecast.servedSoon(callsBefore, hotContainers);
  }

  /** Tells when the patience of a call that has waited since then is over, unless it is about to tell already. */
  watch(since: number): void {
    this.timer ??= this.clock.after(this.leftMs(since), () => {
      this.timer = undefined;
      this.onOver();
    });
  }

  stop(): void {
    this.timer?.cancel();
    this.timer = undefined;
  }

  private leftMs(since: number): number {
    return Math.max(since, this.hotSince) + this.forecast.patienceMs - this.clock.now();
  }
}
