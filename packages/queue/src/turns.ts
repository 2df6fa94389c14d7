import { TurnoverMap, TurnoverSet } from '@fnfleet/core';
import type { FunctionEntry } from './function-entry.js';
import type { Priority } from './message-queue.js';

/** Functions with ready calls of a priority: apps in turn, and within each of them its functions. */
export class Line {
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
export class Search {
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
