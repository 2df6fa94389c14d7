import { type Clock, LONG_AGO, type MonoMs, type Timer } from '@fnfleet/core';

/** The waiting calls and the containers of one slot queue. */
export interface SlotCounts {
  /** Calls that wait for a container. */
  readonly waiting: number;
  /** Containers being launched, including those that wait for resources. */
  readonly starting: number;
  /** Containers that could take a call now. */
  readonly idle: number;
}

/** Whether another container is needed: some call can be taken neither by an idle container nor by a starting one. */
export function needsLaunch({ waiting, starting, idle }: SlotCounts): boolean {
  return Math.max(0, waiting - idle) > starting;
}

/** Weight of the newest observation in the averages of service and launch time. */
const TIME_WEIGHT = 0.2;
/** Weight of the newest wait in the average wait, which therefore covers about the last fifty calls. */
const WAIT_WEIGHT = 0.02;
/** A call may wait for a hot container for this share of the time that a launch takes. */
const MAX_WAIT_SHARE = 0.5;
/** A wait below this share of the launch time is negligible, unless a call takes much less than a launch. */
const NEGLIGIBLE_SHARE = 0.02;
/** A wait below this is negligible for every function. */
const NEGLIGIBLE_MS = 2;

/**
 * Decides, for one function, whether calls wait for its hot containers or another container is launched.
 *
 * A launch costs the engine and the machine more than most calls do, and it is useless to a call that is served before the
 * container is ready. A burst is over before a new container could help, so a call may wait for up to half of the average
 * launch time. When calls have had to wait for more than a negligible time for as long as that, on average, it is not a
 * burst: there are too few containers. Instants and durations in milliseconds.
 */
export class LaunchPolicy {
  private serviceMs: number | undefined;
  private launchMs: number | undefined;
  /** When a container last became hot while none was: the wait for that one says nothing about how many are needed. */
  private hotSince = LONG_AGO;
  /** Over the calls served most recently. */
  private averageWaitMs = 0;
  private lastServedAt = LONG_AGO;
  /** Since when the average wait has been more than negligible. */
  private congestedSince: MonoMs | undefined;
  private timer: Timer | undefined;

  constructor(
    private readonly clock: Clock,
    /** Caps the current wait of a call, however long a launch takes. */
    private readonly limitMs: () => number,
    /** A call may have waited long enough. */
    private readonly onReview: () => void,
  ) {}

  recordServiceTime(ms: number): void {
    this.serviceMs = average(this.serviceMs, ms);
  }

  recordLaunchTime(ms: number): void {
    this.launchMs = average(this.launchMs, ms);
  }

  /** The first container became hot: waiting calls can now be served by it. */
  firstContainerReady(): void {
    this.hotSince = this.clock.now();
  }

  /** A call got a container. @param since when it began to wait; undefined if it did not have to wait */
  recordWait(since: MonoMs | undefined): void {
    const now = this.clock.now();
    const waitMs = since === undefined ? 0 : now - Math.max(since, this.hotSince);
    const before = now - this.lastServedAt > this.maxWaitMs ? 0 : this.averageWaitMs;
    this.lastServedAt = now;
    this.averageWaitMs = before + WAIT_WEIGHT * (waitMs - before);
    if (this.averageWaitMs <= this.negligibleWaitMs) this.congestedSince = undefined;
    else this.congestedSince ??= now;
  }

  /** Whether a call should wait for a hot container. @param since when it began to wait */
  shouldWait(
    since: MonoMs,
    callsBefore: number,
    containers: { readonly hot: number; readonly starting: number },
  ): boolean {
    const longestMs = Math.min(this.maxWaitMs, this.limitMs());
    if (this.waitedMs(since) >= longestMs) return false;
    if (!this.isServedWithin(longestMs, callsBefore, containers.hot)) return false;
    // One launch at a time: many launches take from the running calls what they need to catch up.
    return containers.starting > 0 || !this.isCongested;
  }

  /**
   * Schedules `onReview` for when a call that began to wait at `since` has waited long enough, unless a review is already
   * scheduled.
   * @param intervalMs how often to review, because the limit may change
   */
  scheduleReview(since: MonoMs, intervalMs: number): void {
    const leftMs = Math.min(this.maxWaitMs, this.limitMs()) - this.waitedMs(since);
    this.timer ??= this.clock.after(Math.min(leftMs, intervalMs), () => {
      this.timer = undefined;
      this.onReview();
    });
  }

  close(): void {
    this.timer?.cancel();
    this.timer = undefined;
  }

  /** How long a call may wait before a launch is tried for it, even if it should have been served by now. */
  get maxWaitMs(): number {
    return Math.ceil((this.launchMs ?? 0) * MAX_WAIT_SHARE);
  }

  /**
   * A wait up to this long is no reason to launch another container, however often it occurs. Launches take seconds where many are under
   * way, and a share of that is long for a call of 50 ms: so calls that are short wait for no more than a share of their own time.
   */
  get negligibleWaitMs(): number {
    const ofCall = Math.max(NEGLIGIBLE_MS, (this.serviceMs ?? 0) * NEGLIGIBLE_SHARE);
    return Math.min((this.launchMs ?? 0) * NEGLIGIBLE_SHARE, ofCall);
  }

  /** Whether a call with `callsBefore` calls ahead of it can expect one of the hot containers within `ms`. */
  isServedWithin(ms: number, callsBefore: number, hotContainers: number): boolean {
    if (hotContainers === 0 || this.serviceMs === undefined) return false;
    return ((callsBefore + 1) * this.serviceMs) / hotContainers <= ms;
  }

  private get isCongested(): boolean {
    const { maxWaitMs } = this;
    const now = this.clock.now();
    return (
      this.congestedSince !== undefined &&
      now - this.congestedSince >= maxWaitMs &&
      now - this.lastServedAt <= maxWaitMs
    );
  }

  private waitedMs(since: MonoMs): number {
    return this.clock.now() - Math.max(since, this.hotSince);
  }
}

function average(before: number | undefined, newest: number): number {
  return before === undefined ? newest : before + TIME_WEIGHT * (newest - before);
}
