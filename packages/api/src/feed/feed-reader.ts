import type { Change, RecordedChange } from '../datastore/datastore.js';

/** Somebody who follows the changes: a client of the change feed, or a part of this process. No method throws. */
export interface FeedReader {
  /** Whether it has received anything. */
  readonly hasBegun: boolean;
  /** Whether it takes no more for now; `onReadable` reports when that changes. */
  readonly isFull: boolean;
  onReadable(listener: () => void): void;
  /** What it knows may be outdated; changes after this position follow. */
  reset(position: string): void;
  /** The next changes, in order; possibly none, which confirms its position. */
  send(changes: readonly RecordedChange[]): void;
  /** A sign of life. */
  beat(): void;
  /** The changes cannot be read. @returns whether it gives up */
  fail(error: unknown): boolean;
  /** There will be no more. */
  end(): void;
  /** It is too slow. */
  drop(): void;
}

/** Receives changes in this process. Neither method throws. */
export interface LocalListener {
  onChanges(changes: readonly Change[]): void;
  /** Anything may have changed. */
  onReset(): void;
}

/** A part of this process that follows the changes. It is never full, and keeps waiting when they cannot be read. */
export class LocalReader implements FeedReader {
  hasBegun = false;
  readonly isFull = false;

  constructor(private readonly listener: LocalListener) {}

  onReadable(): void {}

  reset(): void {
    this.hasBegun = true;
    this.listener.onReset();
  }

  send(changes: readonly RecordedChange[]): void {
    this.hasBegun = true;
    if (changes.length > 0) this.listener.onChanges(changes);
  }

  beat(): void {}

  fail(): boolean {
    return false;
  }

  end(): void {}

  drop(): void {}
}
