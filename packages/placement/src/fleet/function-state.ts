import { BackOff } from './back-off.js';

/** The first refusal keeps a runner from being asked again for about this long, milliseconds; each further one doubles it. */
const REFUSED_FIRST_MS = 20;
const REFUSED_MAX_MS = 1_000;
/** Weight of the last call in the mean. */
const NEWEST = 0.2;

/** What is known about one function on one runner. */
export class FunctionState {
  /** Calls of this balancer in hand there. */
  inFlight = 0;
  latencyMs: number | undefined;
  /** Memory of one of its containers. */
  bytes = 0;
  readonly refusal = new BackOff(REFUSED_FIRST_MS, REFUSED_MAX_MS);
  private free = 0;
  private freeUntil = 0;

  /** Idle containers go after a while, which nobody tells. */
  freeSlots(now: number): number {
    return now < this.freeUntil ? this.free : 0;
  }

  setFree(slots: number, until: number): void {
    this.free = slots;
    this.freeUntil = until;
  }

  /** @returns whether there was a free container that is taken now */
  takeFree(now: number): boolean {
    if (this.freeSlots(now) === 0) return false;
    this.free -= 1;
    return true;
  }

  /** So many of its free containers are gone. */
  lose(slots: number): void {
    this.free = Math.max(0, this.free - slots);
  }

  addLatency(ms: number): void {
    this.latencyMs = this.latencyMs === undefined ? ms : this.latencyMs + NEWEST * (ms - this.latencyMs);
  }

  /** Nothing is known that would be missed. */
  isIdle(now: number): boolean {
    return this.inFlight === 0 && this.freeSlots(now) === 0 && this.refusal.until <= now;
  }
}
