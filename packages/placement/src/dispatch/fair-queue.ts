import { TurnoverMap } from '@fnfleet/core';
import { LinkedList } from './linked-list.js';

/** What a fair queue needs to know about its entries. */
export interface Queued {
  readonly appId: string;
  readonly request: { readonly fnId: string };
}

/**
 * Entries of many functions of many applications, in order of arrival within a function.
 *
 * Q1  Turns rotate between applications, and within one between its functions. An application with a thousand entries waits as
 *     long for its next turn as one with a single entry.
 * Q2  A turn that the head of a function cannot use passes to the next function, and the first one keeps its place.
 */
export class FairQueue<T extends Queued> {
  /** In the order of their next turns. */
  private readonly apps = new TurnoverMap<string, AppQueue<T>>();
  private entries = 0;

  get size(): number {
    return this.entries;
  }

  get appCount(): number {
    return this.apps.size;
  }

  sizeOf(appId: string): number {
    return this.apps.get(appId)?.size ?? 0;
  }

  hasFunction({ appId, request }: Queued): boolean {
    return this.apps.get(appId)?.hasFunction(request.fnId) ?? false;
  }

  /** @param atFront true if it has waited before: it goes to the front of its function */
  add(entry: T, atFront = false): void {
    let app = this.apps.get(entry.appId);
    if (app === undefined) {
      app = new AppQueue();
      this.apps.set(entry.appId, app);
    }
    app.add(entry, atFront);
    this.entries += 1;
  }

  /** Returns false if it is not in the queue. */
  remove(entry: T): boolean {
    const app = this.apps.get(entry.appId);
    if (!app?.remove(entry)) return false;
    this.removed(entry.appId, app);
    return true;
  }

  /** Removes and returns the first entry, in the order of turns, that can use the turn. */
  take(canUse: (head: T) => boolean): T | undefined {
    for (const [appId, app] of this.apps) {
      const entry = app.take(canUse);
      if (entry === undefined) continue;
      // Moves to the end.
      this.apps.delete(appId);
      this.apps.set(appId, app);
      this.removed(appId, app);
      return entry;
    }
    return undefined;
  }

  /** Removes the newest entry of the application with the most entries. */
  dropFromLongest(): T | undefined {
    let longest: [string, AppQueue<T>] | undefined;
    for (const pair of this.apps) if (longest === undefined || pair[1].size > longest[1].size) longest = pair;
    if (longest === undefined) return undefined;
    const entry = longest[1].dropLast();
    this.removed(...longest);
    return entry;
  }

  /** The longest waiting entry of each function. */
  heads(): T[] {
    return [...this.apps.values()].flatMap((app) => app.heads());
  }

  *[Symbol.iterator](): Generator<T> {
    for (const app of this.apps.values()) yield* app;
  }

  private removed(appId: string, app: AppQueue<T>): void {
    this.entries -= 1;
    if (app.size === 0) this.apps.delete(appId);
  }
}

/** The entries of one application. */
class AppQueue<T extends Queued> {
  size = 0;
  /** In the order of their next turns. */
  private readonly fns = new TurnoverMap<string, LinkedList<T>>();

  hasFunction(fnId: string): boolean {
    return this.fns.has(fnId);
  }

  add(entry: T, atFront: boolean): void {
    const { fnId } = entry.request;
    let list = this.fns.get(fnId);
    if (list === undefined) {
      list = new LinkedList();
      this.fns.set(fnId, list);
    }
    if (atFront) list.unshift(entry);
    else list.push(entry);
    this.size += 1;
  }

  remove(entry: T): boolean {
    const list = this.fns.get(entry.request.fnId);
    if (!list?.delete(entry)) return false;
    this.removed(entry.request.fnId, list);
    return true;
  }

  take(canUse: (head: T) => boolean): T | undefined {
    for (const [fnId, list] of this.fns) {
      const { head } = list;
      if (head === undefined || !canUse(head)) continue;
      list.delete(head);
      this.fns.delete(fnId);
      this.fns.set(fnId, list);
      this.removed(fnId, list);
      return head;
    }
    return undefined;
  }

  dropLast(): T | undefined {
    let longest: [string, LinkedList<T>] | undefined;
    for (const pair of this.fns) if (longest === undefined || pair[1].size > longest[1].size) longest = pair;
    const entry = longest?.[1].tail;
    if (longest === undefined || entry === undefined) return undefined;
    longest[1].delete(entry);
    this.removed(...longest);
    return entry;
  }

  heads(): T[] {
    return [...this.fns.values()].flatMap(({ head }) => (head === undefined ? [] : [head]));
  }

  *[Symbol.iterator](): Generator<T> {
    for (const list of this.fns.values()) yield* list;
  }

  private removed(fnId: string, list: LinkedList<T>): void {
    this.size -= 1;
    if (list.size === 0) this.fns.delete(fnId);
  }
}
