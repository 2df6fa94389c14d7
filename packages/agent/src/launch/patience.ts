import { type Clock, LONG_AGO, type MonoMs, type Timer } from '@fnfleet/core';
import { LaunchForecast } from './launch-forecast.js';

/** How much the newest wait counts: about the last fifty calls do. */
const WEIGHT = 0.02;

/**
 * How long calls of one function wait for its hot containers before another is launched for them. A burst is over before
 * a container could help it, so a call may wait for half of a launch. When calls have had to wait for more than a trifle
 * for as long as that, on average, it is no burst: then there are too few containers.
 * Instants and durations in milliseconds.
 */
export class Patience {
  private readonly forecast = new LaunchForecast();
  /** When a container last became hot while none was: the wait for that one says nothing about their number. */
  private hotSince = LONG_AGO;
  /** Of the calls that were served of late. */
  private averageWaitMs = 0;
  private lastServedAt = LONG_AGO;
  /** Since when that has been more than a trifle. */
  private congestedSince: MonoMs | undefined;
  private timer: Timer | undefined;

  constructor(
    private readonly clock: Clock,
    /** More than this no call waits at present, however long a launch takes. */
    private readonly limitMs: () => number,
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

  /** A call got a container. @param since when it began to wait; undefined: it did not have to */
  got(since: MonoMs | undefined): void {
    const now = this.clock.now();
    const waitMs = since === undefined ? 0 : now - Math.max(since, this.hotSince);
    const before = now - this.lastServedAt > this.forecast.patienceMs ? 0 : this.averageWaitMs;
    this.lastServedAt = now;
    this.averageWaitMs = before + WEIGHT * (waitMs - before);
    if (this.averageWaitMs <= this.forecast.trifleMs) this.congestedSince = undefined;
    else this.congestedSince ??= now;
  }

  /** @param since when the call began to wait */
  allows(since: MonoMs, callsBefore: number, containers: { readonly hot: number; readonly starting: number }): boolean {
    const longestMs = Math.min(this.forecast.patienceMs, this.limitMs());
    if (this.waitedMs(since) >= longestMs) return false;
    if (!this.forecast.servedWithin(longestMs, callsBefore, containers.hot)) return false;
    // One after another: starting many takes from those that run what they need to catch up.
    return containers.starting > 0 || !this.isCongested;
  }

  /**
   * Tells when the patience of a call that has waited since then is over, or may be because the limit has changed, unless
   * it is about to tell already.
   * @param lookAfterMs how often the limit is looked at
   */
  watch(since: MonoMs, lookAfterMs: number): void {
    const leftMs = Math.min(this.forecast.patienceMs, this.limitMs()) - this.waitedMs(since);
    this.timer ??= this.clock.after(Math.min(leftMs, lookAfterMs), () => {
      this.timer = undefined;
      this.onOver();
    });
  }

  stop(): void {
    this.timer?.cancel();
    this.timer = undefined;
  }

  private get isCongested(): boolean {
    const { patienceMs } = this.forecast;
    const now = this.clock.now();
    return (
      this.congestedSince !== undefined &&
      now - this.congestedSince >= patienceMs &&
      now - this.lastServedAt <= patienceMs
    );
  }

  private waitedMs(since: MonoMs): number {
    return this.clock.now() - Math.max(since, this.hotSince);
  }
}
