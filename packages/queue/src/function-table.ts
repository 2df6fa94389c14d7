import type { FunctionEntry } from './function-entry.js';
import type { Lane, Priority } from './message-queue.js';
import { DEAD, DELAYED, READY, RUNNING } from './message-row.js';
import { Line, Round, Search } from './turns.js';

/** One lease in this many goes to the lowest priority that has ready calls, so that none waits forever. */
const LOWEST_EVERY = 16;
const HIGHEST_FIRST: readonly Priority[] = [2, 1, 0];
const LOWEST_FIRST: readonly Priority[] = [0, 1, 2];

/** By priority. */
type Turns = readonly [Line, Line, Line];

const newTurns = (): Turns => [new Line(), new Line(), new Line()];

/**
 * The functions that have calls in the store, and whose turn it is. Its size depends on the number of functions, not on
 * that of calls. It is rebuilt from the store after a failure.
 */
export class FunctionTable {
  private readonly byId = new Map<number, FunctionEntry>();
  private readonly byFnId = new Map<string, FunctionEntry>();
  /** Functions with ready calls of a priority, the next in turn first. */
  private readonly turns: Readonly<Record<Lane, Turns>> = { calls: newTurns(), deliveries: newTurns() };
  private readonly closed = new Set<FunctionEntry>();
  private picks = 0;
  /** Whether a call may have become eligible since this was last cleared. */
  hasReady = false;
  delayed = 0;
  running = 0;
  dead = 0;
  ready = 0;

  add(entry: FunctionEntry): void {
    this.byId.set(entry.id, entry);
    this.byFnId.set(entry.fnId, entry);
    if (entry.closed !== undefined) this.closed.add(entry);
  }

  named(fnId: string): FunctionEntry | undefined {
    return this.byFnId.get(fnId);
  }

  with(id: number): FunctionEntry {
    const entry = this.byId.get(id);
    if (entry === undefined) throw new Error(`no function has the number ${id}`);
    return entry;
  }

  values(): Iterable<FunctionEntry> {
    return this.byId.values();
  }

  close(entry: FunctionEntry, reason: string): void {
    entry.closed = reason;
    this.closed.add(entry);
  }

  /** It was another's turn to lease it. */
  toTheEnd(entry: FunctionEntry): void {
    for (const line of this.turns[entry.lane]) line.toTheEnd(entry);
  }

  /** Its app has become known. */
  belongsTo(entry: FunctionEntry, app: string): void {
    const lines = this.turns[entry.lane].filter((line) => line.delete(entry));
    entry.belongsTo(app);
    for (const line of lines) line.add(entry);
  }

  closedWithCalls(): FunctionEntry | undefined {
    for (const entry of this.closed) if (entry.waiting > 0) return entry;
    return undefined;
  }

  /** Calls entered a state (1) or left it (-1). */
  count(entry: FunctionEntry, state: number, priority: Priority, change: number): void {
    switch (state) {
      case READY:
        entry.ready[priority] += change;
        this.ready += change;
        if (entry.ready[priority] === 0) this.turns[entry.lane][priority].delete(entry);
        else this.turns[entry.lane][priority].add(entry);
        if (change > 0) this.hasReady = true;
        break;
      case DELAYED:
        entry.delayed += change;
        this.delayed += change;
        break;
      case RUNNING:
        entry.running += change;
        this.running += change;
        // Its concurrency limit may have kept others waiting.
        if (change < 0) this.hasReady = true;
        break;
      case DEAD:
        entry.dead += change;
        this.dead += change;
        break;
    }
  }

  /** Idempotency keys became known (1) or were forgotten (-1). */
  countKeys(entry: FunctionEntry, change: number): void {
    entry.keys += change;
  }

  /** The functions with ready calls of each priority, in their turns. */
  *withReady(lane: Lane): Iterable<{ readonly entry: FunctionEntry; readonly priority: Priority }> {
    for (const priority of HIGHEST_FIRST) {
      for (const entry of this.turns[lane][priority].values()) yield { entry, priority };
    }
  }

  /** @param wants whether a call of the function is wanted */
  round(lane: Lane, now: number, wants: (entry: FunctionEntry) => boolean): Round {
    const searches = this.turns[lane].map((line) => new Search(line, now, wants));
    return new Round(searches, () => {
      this.picks += 1;
      return this.picks % LOWEST_EVERY === 0 ? LOWEST_FIRST : HIGHEST_FIRST;
    });
  }
}
