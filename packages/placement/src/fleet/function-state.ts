import { BackOff } from './back-off.js';

/** Pause after the first refusal, roughly, in milliseconds; each further refusal doubles it. */
const REFUSED_FIRST_MS = 20;
const REFUSED_MAX_MS = 1_000;
/** Weight of the last call in the mean. */
const NEWEST = 0.2;

/** What is known about one function on one runner. */
export class FunctionState {
  /** Calls of this balancer in flight there. */
  inFlight = 0;
  latencyMs: number | undefined;
  /** Memory of one of its containers. */
  bytes = 0;
  readonly refusal = new BackOff(REFUSED_FIRST_MS, REFUSED_MAX_MS);
  private free = 0;
  private freeUntil = 0;

  /** Idle containers expire after a while, which nobody reports. */
  freeSlots(now: number): number {
    return now < this.freeUntil ? this.free : 0;
  }

  setFree(slots: number, until: number): void {
    this.free = slots;
    this.freeUntil = until;
  }

  /** @returns whether a free container was taken */
  takeFree(now: number): boolean {
    if (this.freeSlots(now) === 0) return false;
    this.free -= 1;
    return true;
  }

  /** Removes free containers. */
  lose(slots: number): void {
    this.free = Math.max(0, this.free - slots);
  }

  addLatency(ms: number): void {
    this.latencyMs = this.latencyMs === undefined ? ms : this.latencyMs + NEWEST * (ms - this.latencyMs);
  }

  /** Whether it can be dropped without loss. */
  isIdle(now: number): boolean {
    return this.inFlight === 0 && this.freeSlots(now) === 0 && this.refusal.until <= now;
  }
}
