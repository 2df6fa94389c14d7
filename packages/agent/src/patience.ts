import type { Clock, Timer } from '@fnfleet/core';
import { LaunchForecast } from './launch-forecast.js';

/**
 * How long calls of one function wait for its hot containers before another is launched for them. A burst is over before
 * a container could help it, so a call may wait for half of a launch. When calls have had to wait for as long as that,
 * without a break and for more than a trifle, it is no burst: then there are too few containers.
 * Instants and durations in milliseconds.
 */
export class Patience {
  private readonly forecast = new LaunchForecast();
  /** When a container last became hot while none was. */
  private hotSince = 0;
  /** Since when calls wait for more than a trifle. */
  private congestedSince: number | undefined;
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
    if (this.forecast.isCongested(callsBefore, hotContainers)) this.congestedSince ??= this.clock.now();
    else this.congestedSince = undefined;
    if (this.leftMs(since) <= 0 || !this.forecast.servedSoon(callsBefore, hotContainers)) return false;
    return this.congestedSince === undefined || this.clock.now() - this.congestedSince < this.forecast.patienceMs;
  }

  /** No call waits. */
  relax(): void {
    this.congestedSince = undefined;
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
