import { FunctionView } from './function-view.js';
import { IdleBeliefs } from './idle-beliefs.js';

/** Functions that are remembered for one runner before those without news are dropped. */
const MAX_FUNCTIONS = 4_096;

/** What is known of each function on one runner, and where it has free containers. */
export class KnownFunctions {
  private readonly views = new Map<string, FunctionView>();
  private readonly idle = new IdleBeliefs();

  constructor(
    private readonly now: () => number,
    /** A function has got, or has lost, its free containers, as far as is known. */
    private readonly onWarm: (fnId: string, warm: boolean) => void,
  ) {}

  get(fnId: string): FunctionView | undefined {
    return this.views.get(fnId);
  }

  /** Remembered from now on. */
  of(fnId: string): FunctionView {
    let known = this.views.get(fnId);
    if (known === undefined) {
      if (this.views.size >= MAX_FUNCTIONS) this.dropIdle();
      known = new FunctionView();
      this.views.set(fnId, known);
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
    for (const [fnId, known] of this.views) {
      this.setFree(fnId, 0, 0);
      known.refusal.clear();
    }
  }

  forget(): void {
    for (const fnId of this.views.keys()) this.onWarm(fnId, false);
    this.views.clear();
  }

  private dropIdle(): void {
    const now = this.now();
    for (const [fnId, known] of this.views) {
      if (!known.isIdle(now)) continue;
      this.onWarm(fnId, false);
      this.views.delete(fnId);
    }
  }
}
