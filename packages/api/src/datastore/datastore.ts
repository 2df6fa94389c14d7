import type { App, Fn, Trigger } from '@fnfleet/core';

/** Where apps, functions and triggers are kept. Every method is atomic; what it rejects with may be shown to clients. */
export interface Datastore {
  /** Removing an app removes its functions and triggers. */
  readonly apps: Collection<App, AppFilter>;
  /**
   * Inserting needs the app to exist (`appNotFound`) and takes over its shape. Removing removes the triggers of the
   * function.
   */
  readonly fns: Collection<Fn, FnFilter>;
  /**
   * Inserting and updating need the app (`appNotFound`) and the function (`fnNotFound`) to exist and to belong together
   * (`triggerFnForeign`), and the source to be free (`triggerSourceExists`).
   */
  readonly triggers: TriggerCollection;
  /** Idempotent. */
  close(): Promise<void>;
}

export interface Collection<T, F> {
  /** The item as stored. Rejects with `…Exists` when the name is taken. */
  insert(item: T): Promise<T>;
  /** Rejects with `…NotFound`. */
  get(id: string): Promise<T>;
  /** In ascending order of name, bytewise where the database allows. */
  list(filter: F & Page): Promise<readonly T[]>;
  /**
   * Stores what `change` makes of the current item. What `change` throws is passed on, and nothing is stored; it may
   * return the current item itself to say that nothing changed.
   */
  update(id: string, change: (current: T) => T): Promise<T>;
  /** Rejects with `…NotFound`. */
  remove(id: string): Promise<void>;
}

export interface TriggerCollection extends Collection<Trigger, TriggerFilter> {
  /** The trigger of an app with exactly this source. Rejects with `triggerNotFound`. */
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
  /** Only items after this one. */
  readonly after?: Position | undefined;
}

/** A place in a list. The id counts only where names may repeat. */
export interface Position {
  readonly name: string;
  readonly id?: string | undefined;
}
