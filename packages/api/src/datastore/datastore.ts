import type { App, Fn, Trigger } from '@fnfleet/core';

/** Storage of apps, functions and triggers. Every method is atomic, and its errors may be shown to clients. */
export interface Datastore {
  /** Removing an app removes its functions and triggers. */
  readonly apps: Collection<App, AppFilter>;
  /**
   * Inserting requires that the app exists (`appNotFound`) and copies its shape. Removing a function removes its
   * triggers.
   */
  readonly fns: Collection<Fn, FnFilter>;
  /**
   * Inserting and updating require that the app (`appNotFound`) and the function (`fnNotFound`) exist and belong
   * together (`triggerFnForeign`), and that the source is unused (`triggerSourceExists`).
   */
  readonly triggers: TriggerCollection;
  /** Idempotent. */
  close(): Promise<void>;
}

export interface Collection<T, F> {
  /** @returns the item as stored. Rejects with `…Exists` when the name is taken */
  insert(item: T): Promise<T>;
  /** Rejects with `…NotFound`. */
  get(id: string): Promise<T>;
  /** Lists items in ascending order of name, bytewise if the database supports it. */
  list(filter: F & Page): Promise<readonly T[]>;
  /**
   * Stores the result of `change` for the current item. If `change` throws, the error is passed on and nothing is
   * stored. It returns the current item itself if nothing changed.
   */
  update(id: string, change: (current: T) => T): Promise<T>;
  /** Rejects with `…NotFound`. */
  remove(id: string): Promise<void>;
}

export interface TriggerCollection extends Collection<Trigger, TriggerFilter> {
  /** Finds the trigger of an app with exactly this source. Rejects with `triggerNotFound`. */
  bySource(appId: string, type: string, source: string): Promise<Trigger>;
}

export interface AppFilter {
  readonly name?: string | undefined;
}

export interface FnFilter {
  readonly appId: string;
  readonly name?: string | undefined;
}

export interface TriggerFilter {
  readonly appId: string;
  readonly fnId?: string | undefined;
  readonly name?: string | undefined;
}

export interface Page {
  readonly limit: number;
  /** Returns only items after this position. */
  readonly after?: Position | undefined;
}

/** A position in a list. The id matters only where names may repeat. */
export interface Position {
  readonly name: string;
  readonly id?: string | undefined;
}
