import { FunctionState } from './function-state.js';
import { IdleEstimate } from './idle-estimate.js';

/** Functions that are remembered for one runner before those without news are dropped. */
const MAX_FUNCTIONS = 4_096;

/** What is known of each function on one runner, and where it has free containers. */
export class FunctionStates {
  private readonly states = new Map<string, FunctionState>();
  private readonly idle = new IdleEstimate();

  constructor(
    private readonly now: () => number,
    /** A function has got, or has lost, its free containers, as far as is known. */
    private readonly onWarm: (fnId: string, warm: boolean) => void,
  ) {}

  get(fnId: string): FunctionState | undefined {
    return this.states.get(fnId);
  }

  /** Remembered from now on. */
  of(fnId: string): FunctionState {
    let known = this.states.get(fnId);
    if (known === undefined) {
      if (this.states.size >= MAX_FUNCTIONS) this.dropIdle();
      known = new FunctionState();
      this.states.set(fnId, known);
    }
    return known;
  }

  /** Functions with a free container. */
  get warmCount(): number {
    return this.idle.count(this.now());
  }

  /** @param idleMs how long a container stays that nobody uses */
  setFree(fnId: string, slots: number, idleMs: number): void {
    const known = this.of(fnId);
    const now = this.now();
    const before = known.freeSlots(now) > 0;
    known.setFree(slots, now + idleMs);
    const after = known.freeSlots(now) > 0;
    if (after) this.idle.renewed(fnId, known);
    if (before !== after) this.onWarm(fnId, after);
  }

  /** A call is about to get one of its free containers, if there are some. */
  takeFree(fnId: string): void {
    const now = this.now();
    const known = this.of(fnId);
    if (known.takeFree(now) && known.freeSlots(now) === 0) this.onWarm(fnId, false);
  }

  /** No more than so many bytes belong to idle containers: those that were idle the longest have gone. */
  trimIdle(bytes: number): void {
    for (const fnId of this.idle.trim(bytes, this.now())) this.onWarm(fnId, false);
  }

  /** Another process is there: it has no containers, and has refused nothing. */
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
