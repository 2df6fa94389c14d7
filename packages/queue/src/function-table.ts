import { TurnoverSet } from '@fnfleet/core';
import type { FunctionLimits, Lane, Priority } from './message-queue.js';
import { DEAD, DELAYED, READY, RUNNING } from './message-row.js';

/** One lease in this many goes to the lowest priority that has ready calls, so that none waits forever. */
const LOWEST_EVERY = 16;
/** How often the rest of a function doubles. */
const MAX_DOUBLINGS = 3;
const HIGHEST_FIRST: readonly Priority[] = [2, 1, 0];
const LOWEST_FIRST: readonly Priority[] = [0, 1, 2];

/** By priority. */
type Turns = readonly [TurnoverSet<FunctionEntry>, TurnoverSet<FunctionEntry>, TurnoverSet<FunctionEntry>];

const newTurns = (): Turns => [new TurnoverSet(), new TurnoverSet(), new TurnoverSet()];

/** A function with calls in the store, and how many there are in each state. */
export class FunctionEntry {
  readonly ready: [number, number, number] = [0, 0, 0];
  delayed = 0;
  running = 0;
  dead = 0;
  /** Its idempotency keys that are known. */
  keys = 0;
  limits: FunctionLimits = {};
  /** Leases that the rate limit allows, as of `tokensAt`. */
  tokens = 0;
  tokensAt = 0;
  /** Nobody had room for its calls: none is leased before. */
  restsUntil = 0;
  /** How often that has happened in a row. */
  rests = 0;
  /** Why no call of it starts any more: it was deleted. */
  closed: string | undefined;
  /** How far its waiting calls have been buried. */
  buriedUpTo = '';

  constructor(
    readonly id: number,
    readonly fnId: string,
    readonly lane: Lane,
  ) {}

  get readyCount(): number {
    return this.ready[0] + this.ready[1] + this.ready[2];
  }

  get waiting(): number {
    return this.readyCount + this.delayed;
  }

  /** When its rest is over and the rate limit allows the next lease: now, or later. */
  nextLeaseAt(now: number): number {
    return Math.max(this.restsUntil, this.nextTokenAt(now));
  }

  /** Those that are given back together count once. */
  rest(now: number, ms: number): void {
    if (now < this.restsUntil) return;
    this.restsUntil = Math.ceil(now + ms * 2 ** Math.min(this.rests, MAX_DOUBLINGS));
    this.rests += 1;
  }

  private nextTokenAt(now: number): number {
    const { rate } = this.limits;
    if (rate === undefined) return now;
    this.refill(now);
    return this.tokens >= 1 ? now : now + Math.ceil(((1 - this.tokens) * rate.perMs) / rate.calls);
  }

  isBelowConcurrency(): boolean {
    const { concurrency } = this.limits;
    return concurrency === undefined || this.running < concurrency;
  }

  private refill(now: number): void {
    const { rate } = this.limits;
    if (rate === undefined) return;
    const gained = ((now - this.tokensAt) * rate.calls) / rate.perMs;
    this.tokens = Math.min(rate.calls, this.tokens + Math.max(0, gained));
    this.tokensAt = now;
  }
}

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
    for (const line of this.turns[entry.lane]) if (line.delete(entry)) line.add(entry);
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

/** The functions whose turns it is, one after the other, during one reservation. */
export class Round {
  constructor(
    private readonly searches: readonly Search[],
    private readonly nextOrder: () => readonly Priority[],
  ) {}

  /** Finds whose turn it is, and lets it go to the end of its line. */
  next(): { readonly entry: FunctionEntry; readonly priority: Priority } | undefined {
    for (const priority of this.nextOrder()) {
      const entry = this.searches[priority]?.next();
      if (entry !== undefined) return { entry, priority };
    }
    return undefined;
  }

  /** The next instant at which a rate limit or the end of a rest allows a lease, for functions that were passed over because of it. */
  get nextAt(): number | undefined {
    const instants = this.searches.map(({ nextAt }) => nextAt).filter((at) => at !== undefined);
    return instants.length === 0 ? undefined : Math.min(...instants);
  }
}

/**
 * Looks through the functions with ready calls of one priority. One that may not be leased, or is not wanted, keeps its place: it
 * may be wanted by others. During a reservation none of these becomes eligible, so that each of them is looked at twice at most.
 */
class Search {
  private entries: Iterator<FunctionEntry>;
  private hasFound = false;
  private isOver = false;
  nextAt: number | undefined;

  constructor(
    private readonly line: TurnoverSet<FunctionEntry>,
    private readonly now: number,
    private readonly wants: (entry: FunctionEntry) => boolean,
  ) {
    this.entries = line.values();
  }

  next(): FunctionEntry | undefined {
    while (!this.isOver) {
      const { value: entry, done } = this.entries.next();
      if (done) this.again();
      else if (this.line.has(entry) && this.isEligible(entry)) {
        this.hasFound = true;
        this.line.delete(entry);
        this.line.add(entry);
        return entry;
      }
    }
    return undefined;
  }

  /** The set may have changed its table meanwhile, so that the iteration has missed some. */
  private again(): void {
    this.isOver = !this.hasFound;
    this.hasFound = false;
    this.entries = this.line.values();
  }

  private isEligible(entry: FunctionEntry): boolean {
    if (entry.closed !== undefined || !entry.isBelowConcurrency() || !this.wants(entry)) return false;
    const nextAt = entry.nextLeaseAt(this.now);
    if (nextAt <= this.now) return true;
    this.nextAt = Math.min(this.nextAt ?? nextAt, nextAt);
    return false;
  }
}
