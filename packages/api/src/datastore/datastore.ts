import type { App, Fn, Trigger, WallMs } from '@fnfleet/core';

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
   * together (`triggerFnForeign`), and that no other path has the source (`triggerSourceExists`).
   */
  readonly triggers: TriggerCollection;
  /** When triggers of type schedule fire. Changes of triggers keep it up to date. */
  readonly schedules: ScheduleStore;
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

/**
 * When schedules fire, and which API node fires them. A schedule that is new, or whose times change, fires for the first time
 * after that change.
 */
export interface ScheduleStore {
  /** How many there are, and how many of them are of an app. */
  count(appId: string): Promise<{ readonly total: number; readonly own: number }>;
  /** The earliest instant that has not been dealt with; undefined if there is none. */
  earliest(): Promise<WallMs | undefined>;
  /** Schedules with instants up to and including `until`, the earliest first. @param after continues a list */
  due(until: WallMs, limit: number, after?: DueSchedule): Promise<readonly DueSchedule[]>;
  /** Schedules that were dealt with at a time later than `at`, by a clock that was wrong. */
  dealtWithAfter(at: WallMs, limit: number): Promise<readonly DueSchedule[]>;
  /** The state of those of the triggers that are schedules, by id. */
  states(triggerIds: readonly string[]): Promise<ReadonlyMap<string, ScheduleState>>;

  /** The node that fires the schedules. */
  leader(): Promise<Leader | undefined>;
  /** Makes a node the leader if it is still the given one, or none, that leads. @returns whether it succeeded */
  lead(holder: string, instead: Leader | undefined): Promise<boolean>;
  /** The leader is alive. @returns false if another node leads */
  beat(holder: string): Promise<boolean>;
  /** Another node may lead at once. */
  resign(holder: string): Promise<void>;
  /**
   * Records what the leader has dealt with, in one transaction. Schedules that have been changed or deleted meanwhile stay as they
   * are.
   * @returns false if another node leads: nothing is recorded
   */
  advance(holder: string, moves: readonly ScheduleMove[]): Promise<boolean>;
}

export interface DueSchedule {
  readonly trigger: Trigger;
  readonly nextAt: WallMs;
  /** Of its times. */
  readonly version: number;
}

export interface ScheduleMove {
  readonly from: DueSchedule;
  readonly nextAt: WallMs | undefined;
  /** Unchanged if undefined. */
  readonly firedAt: WallMs | undefined;
  /** When this was decided. */
  readonly at: WallMs;
}

export interface ScheduleState {
  readonly nextAt: WallMs | undefined;
  readonly firedAt: WallMs | undefined;
}

export interface Leader {
  readonly holder: string;
  /** Another value than before means that it is alive. */
  readonly beat: number;
}
