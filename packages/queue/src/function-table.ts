import { TurnoverMap, TurnoverSet } from '@fnfleet/core';
import type { FunctionLimits, Lane, Priority } from './message-queue.js';
import { DEAD, DELAYED, READY, RUNNING } from './message-row.js';

/** One lease in this many goes to the lowest priority that has ready calls, so that none waits forever. */
const LOWEST_EVERY = 16;
/** How often the rest of a function doubles. */
const MAX_DOUBLINGS = 3;
const HIGHEST_FIRST: readonly Priority[] = [2, 1, 0];
const LOWEST_FIRST: readonly Priority[] = [0, 1, 2];

/** By priority. */
type Turns = readonly [Line, Line, Line];

const newTurns = (): Turns => [new Line(), new Line(), new Line()];

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

  /** Who gets a turn: all functions of an app together. */
  owner: string;

  /** @param app empty if it is not known */
  constructor(
    readonly id: number,
    readonly fnId: string,
    readonly lane: Lane,
    public app = '',
  ) {
    this.owner = ownerOf(fnId, app);
  }

  belongsTo(app: string): void {
    this.app = app;
    this.owner = ownerOf(this.fnId, app);
  }

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

function ownerOf(fnId: string, app: string): string {
  return app === '' ? ` ${fnId}` : app;
}

/** Functions with ready calls of a priority: apps in turn, and within each of them its functions. */
class Line {
  /** The next in turn first; none is empty. */
  readonly owners = new TurnoverMap<string, TurnoverSet<FunctionEntry>>();

  add(entry: FunctionEntry): void {
    const { owner } = entry;
    let functions = this.owners.get(owner);
    if (functions === undefined) {
      functions = new TurnoverSet();
      this.owners.set(owner, functions);
    }
    functions.add(entry);
  }

  delete(entry: FunctionEntry): boolean {
    const { owner } = entry;
    const functions = this.owners.get(owner);
    if (!functions?.delete(entry)) return false;
    if (functions.size === 0) this.owners.delete(owner);
    return true;
  }

  /** It has had its turn. */
  toTheEnd(entry: FunctionEntry): void {
    const { owner } = entry;
    const functions = this.owners.get(owner);
    if (!functions?.has(entry)) return;
    if (functions.size > 1) {
      functions.delete(entry);
      functions.add(entry);
    }
    this.owners.delete(owner);
    this.owners.set(owner, functions);
  }

  *values(): Iterable<FunctionEntry> {
    for (const functions of this.owners.values()) yield* functions.values();
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
 * Looks through the functions with ready calls of one priority: each time it takes one of the next app. What may not be leased, or is not
 * wanted, keeps its place: it may be wanted by others. During a reservation none of these becomes eligible, so that each of them is
 * looked at twice at most, or as often as the map of the line has changed its table, which is rare.
 */
class Search {
  private owners: Iterator<string>;
  private readonly started = new Map<string, SearchOfApp>();
  private hasFound = false;
  private isOver = false;
  nextAt: number | undefined;

  constructor(
    private readonly line: Line,
    private readonly now: number,
    private readonly wants: (entry: FunctionEntry) => boolean,
  ) {
    this.owners = line.owners.keys();
  }

  next(): FunctionEntry | undefined {
    while (!this.isOver) {
      const { value: owner, done } = this.owners.next();
      const entry = done ? this.again() : this.nextOf(owner);
      if (entry === undefined) continue;
      this.hasFound = true;
      this.line.toTheEnd(entry);
      return entry;
    }
    return undefined;
  }

  private nextOf(owner: string): FunctionEntry | undefined {
    let search = this.started.get(owner);
    if (search === undefined) {
      const functions = this.line.owners.get(owner);
      // Most apps have only one with ready calls: whose turn it is among them needs no memory.
      if (functions?.size === 1) {
        const { value: only } = functions.values().next();
        return only !== undefined && this.isEligible(only) ? only : undefined;
      }
      search = new SearchOfApp(
        () => this.line.owners.get(owner),
        (entry) => this.isEligible(entry),
      );
      this.started.set(owner, search);
    }
    return search.next();
  }

  /** The map may have changed its table meanwhile, so that the iteration has missed some. */
  private again(): undefined {
    this.isOver = !this.hasFound;
    this.hasFound = false;
    this.owners = this.line.owners.keys();
  }

  private isEligible(entry: FunctionEntry): boolean {
    if (entry.closed !== undefined || !entry.isBelowConcurrency() || !this.wants(entry)) return false;
    const nextAt = entry.nextLeaseAt(this.now);
    if (nextAt <= this.now) return true;
    this.nextAt = Math.min(this.nextAt ?? nextAt, nextAt);
    return false;
  }
}

/** The same within an app. What it finds goes to the end, before it is asked for the next. */
class SearchOfApp {
  private entries: Iterator<FunctionEntry> | undefined;
  private hasFound = false;
  private isOver = false;

  constructor(
    private readonly functions: () => TurnoverSet<FunctionEntry> | undefined,
    private readonly isEligible: (entry: FunctionEntry) => boolean,
  ) {}

  next(): FunctionEntry | undefined {
    while (!this.isOver) {
      this.entries ??= this.functions()?.values() ?? [].values();
      const { value: entry, done } = this.entries.next();
      if (done) this.again();
      else if (this.functions()?.has(entry) && this.isEligible(entry)) {
        this.hasFound = true;
        return entry;
      }
    }
    return undefined;
  }

  /** See above. */
  private again(): void {
    this.isOver = !this.hasFound;
    this.hasFound = false;
    this.entries = undefined;
  }
}
