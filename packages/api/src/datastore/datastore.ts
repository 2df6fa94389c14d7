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
  /** Every change above, recorded in the transaction that makes it. */
  readonly changes: ChangeLog;
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
   * stored. It returns the current item itself if nothing changed. It may be called again if transactions conflict.
   */
  update(id: string, change: (current: T) => T): Promise<T>;
  /**
   * Rejects with `…NotFound`.
   * @param check receives the current item before it is removed. If it throws, the error is passed on and nothing is
   *   removed
   */
  remove(id: string, check?: (current: T) => void): Promise<void>;
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

/** A change to an app, a function or a trigger. */
export interface Change {
  readonly kind: 'app' | 'fn' | 'trigger';
  /** Deleting an app implies its functions and triggers, and deleting a function its triggers. */
  readonly action: 'created' | 'updated' | 'deleted';
  readonly id: string;
  /** The id of the app that it belongs to; of an app, its own. */
  readonly appId: string;
  readonly name: string;
  /** For a trigger: the sources that lead or led to it, old and new. */
  readonly sources?: readonly string[] | undefined;
}

export interface RecordedChange extends Change {
  /** The position right after this change; opaque. */
  readonly position: string;
}

/** The changes of a database in commit order. A limited number is kept. */
export interface ChangeLog {
  /** The position after the newest change. */
  latest(): Promise<string>;
  /**
   * Changes after a position, oldest first.
   * @returns undefined when the position is unknown: its change is too old to be kept, or belongs to another database or
   *   to a later state of one that was restored
   */
  after(position: string, limit: number): Promise<readonly RecordedChange[] | undefined>;
  /**
   * Calls the listener soon after a commit, here or in another process. It may be called without a change, and once for
   * several.
   * @returns ends the subscription; idempotent
   */
  subscribe(listener: () => void): () => void;
}
