import { LONG_AGO, TurnoverMap } from '@fnfleet/core';
import { BackOff } from './back-off.js';

/** Functions remembered per runner before those without activity are dropped. */
const MAX_FUNCTIONS = 4_096;

/** What is known about each function on one runner, and which of them have free containers. */
export class FunctionStates {
  private readonly states = new Map<string, FunctionState>();
  private readonly idle = new IdleEstimate();

  constructor(
    private readonly now: () => number,
    /** Called when a function gains or loses its free containers, as far as is known. */
    private readonly onWarm: (fnId: string, warm: boolean) => void,
  ) {}

  get(fnId: string): FunctionState | undefined {
    return this.states.get(fnId);
  }

  /** Remembers the function if it is new. */
  of(fnId: string): FunctionState {
    let known = this.states.get(fnId);
    if (known === undefined) {
      if (this.states.size >= MAX_FUNCTIONS) this.dropIdle();
      known = new FunctionState();
      this.states.set(fnId, known);
    }
    return known;
  }

  /** Number of functions with a free container. */
  get warmCount(): number {
    return this.idle.count(this.now());
  }

  /** @param idleMs how long an unused container stays */
  setFree(fnId: string, slots: number, idleMs: number): void {
    const known = this.of(fnId);
    const now = this.now();
    const before = known.freeSlots(now) > 0;
    known.setFree(slots, now + idleMs);
    const after = known.freeSlots(now) > 0;
    if (after) this.idle.renewed(fnId, known);
    if (before !== after) this.onWarm(fnId, after);
  }

  /** Takes a free container for a call, if there is one. */
  takeFree(fnId: string): void {
    const now = this.now();
    const known = this.of(fnId);
    if (known.takeFree(now) && known.freeSlots(now) === 0) this.onWarm(fnId, false);
  }

  /** Limits idle containers to this much memory: those that were idle longest are gone. */
  trimIdle(bytes: number): void {
    for (const fnId of this.idle.trim(bytes, this.now())) this.onWarm(fnId, false);
  }

  /** After a restart of the runner: it has no containers and has refused nothing. */
  startOver(): void {
    for (const [fnId, known] of this.states) {
      this.setFree(fnId, 0, 0);
      known.refusal.clear();
      known.pullingUntil = LONG_AGO;
    }
  }

  forget(): void {
    for (const fnId of this.states.keys()) this.onWarm(fnId, false);
    this.states.clear();
  }

  private dropIdle(): void {
    const now = this.now();
    for (const [fnId, known] of this.states) {
      if (!known.isIdle(now)) continue;
      this.onWarm(fnId, false);
      this.states.delete(fnId);
    }
  }
}

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
  /** Its image was being pulled there when a call was last refused. */
  pullingUntil = LONG_AGO;
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
    return this.inFlight === 0 && this.freeSlots(now) === 0 && this.refusal.until <= now && this.pullingUntil <= now;
  }
}

/**
 * Estimates which functions have idle containers on one runner, in the order in which they became idle. A runner reports the
 * containers of a function only with calls of that function, but its total idle memory with every call. If that is less than the
 * estimate, the oldest were evicted: our runners evict the container that was idle longest.
 */
class IdleEstimate {
  private readonly order = new TurnoverMap<string, FunctionState>();

  /** A container of the function has become idle just now. */
  renewed(fnId: string, known: FunctionState): void {
    this.order.delete(fnId);
    this.order.set(fnId, known);
  }

  /** Number of functions with a free container. */
  count(now: number): number {
    return [...this.order.values()].filter((known) => known.freeSlots(now) > 0).length;
  }

  /**
   * @param idleBytes idle memory as reported by the runner
   * @returns functions without any container left
   */
  trim(idleBytes: number, now: number): string[] {
    const gone: string[] = [];
    let believed = 0;
    for (const [fnId, known] of this.order) {
      const bytes = known.freeSlots(now) * known.bytes;
      if (bytes === 0) this.order.delete(fnId);
      believed += bytes;
    }
    for (const [fnId, known] of this.order) {
      if (believed <= idleBytes) break;
      const excess = Math.ceil((believed - idleBytes) / known.bytes);
      const lost = Math.min(known.freeSlots(now), excess);
      known.lose(lost);
      believed -= lost * known.bytes;
      if (known.freeSlots(now) > 0) continue;
      this.order.delete(fnId);
      gone.push(fnId);
    }
    return gone;
  }
}
