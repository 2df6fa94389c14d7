import { FunctionState } from './function-state.js';
import { IdleEstimate } from './idle-estimate.js';

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
