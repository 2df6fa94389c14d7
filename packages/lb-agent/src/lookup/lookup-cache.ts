import {
  CancelledError,
  type Clock,
  count,
  countFromZero,
  describeError,
  FnError,
  later,
  type MonoMs,
  TurnoverMap,
} from '@fnfleet/core';
import { type LaneName, LookupLanes } from './lookup-lanes.js';

export interface LookupCacheOptions {
  /** How long a value is used after it was fetched. */
  readonly ttlMs: number;
  /** How long after that it serves on, as long as nobody can tell what has become of it. */
  readonly staleMs: number;
  /** How long "not found" is remembered. */
  readonly missTtlMs: number;
  /** Values, and remembered misses, that are kept at most. */
  readonly maxEntries: number;
  /** How long one fetch may take. */
  readonly fetchTimeoutMs: number;
}

/** Fetches a value. The signal aborts when nobody waits for it any more, or when it takes too long. */
export type Fetch<V> = (key: string, signal: AbortSignal) => Promise<V>;

interface Entry<T> {
  readonly value: T;
  readonly expiresAt: MonoMs;
  /** The source is not asked for this again before: it has told not long ago, or could not tell. */
  retryAfter: MonoMs;
}

/** How long a caller waits for the source where there is a value that would do, milliseconds. */
const STALE_WAIT_MS = 1_000;
/** How long a value that the source could not confirm serves before the source is asked again, milliseconds. */
const RETRY_PAUSE_MS = 1_000;

/** A value that is used after this part of its time is fetched again beside, so that who comes later need not wait. */
const REFRESH_AFTER = 0.5;

/** Misses with longer keys are asked for anew each time: clients choose keys, and must not choose what memory holds. */
const MAX_MISS_KEY_LENGTH = 300;

/**
 * Remembers what was looked up.
 *
 * C1  Concurrent lookups of one key share one fetch, and its value or error.
 * C2  One who gives up leaves the others waiting; the fetch is given up when the last one does.
 * C3  Misses are kept apart from values, so that made-up keys cannot push out what is in use.
 * C4  Errors other than "not found" are not remembered. While they last, or while no answer comes, the value that was known
 *     before serves on: calls do not fail because nobody can tell whether their function has changed.
 * C5  After `forget` nothing that was fetched, or began to be fetched, before it is used for those who ask.
 * C6  A value that is used in the second half of its time is fetched again, and nobody waits for that: only after a silence
 *     longer than its time does a caller wait.
 * C7  The source is asked in lanes, which several caches may share: what is refreshed beside is left for later when its lane
 *     is full, and made-up keys leave room for what was known.
 */
export class LookupCache<V> {
  private readonly values = new TurnoverMap<string, Entry<V>>();
  private readonly misses = new TurnoverMap<string, Entry<Error>>();
  private readonly flights = new TurnoverMap<string, Flight<V>>();

  constructor(
    private readonly fetch: Fetch<V>,
    private readonly options: LookupCacheOptions,
    private readonly clock: Clock,
    private readonly lanes = new LookupLanes(),
  ) {
    countFromZero('lb_lookup_stale_count');
  }

  /**
   * The value itself if it is known.
   * @throws or rejects with what the fetch throws; the signal's reason when it aborts first
   */
  get(key: string, signal: AbortSignal): V | Promise<V> {
    const now = this.clock.now();
    const known = this.values.get(key);
    if (known !== undefined && known.expiresAt > now) return this.serveFresh(key, known, now);
    const miss = this.misses.get(key);
    if (miss !== undefined && miss.expiresAt > now) throw miss.value;
    const underway = this.flights.get(key);
    const stale = known !== undefined && known.expiresAt + this.options.staleMs > now ? known : undefined;
    if (stale !== undefined && stale.retryAfter > now) return this.serveStale(stale);
    const flight = underway === undefined || underway.abandoned ? this.startFetch(key, laneOf(known)) : underway;
    return stale === undefined ? flight.join(signal) : this.orStale(flight, stale, signal);
  }

  /** The value, if nobody has to be asked for it. */
  known(key: string): V | undefined {
    const now = this.clock.now();
    const known = this.values.get(key);
    return known !== undefined && known.expiresAt > now ? this.serveFresh(key, known, now) : undefined;
  }

  /** What the source said last, however long ago. */
  last(key: string): V | undefined {
    return this.values.get(key)?.value;
  }

  /** Fetches what somebody is about to ask for, unless it is known. */
  prefetch(key: string): void {
    const now = this.clock.now();
    const isOver = (entry?: Entry<unknown>) =>
      entry === undefined || (entry.expiresAt <= now && entry.retryAfter <= now);
    if (!isOver(this.values.get(key)) || !isOver(this.misses.get(key)) || this.flights.has(key)) return;
    this.startFetch(key, laneOf(this.values.get(key)));
  }

  /**
   * What the source says now of a key whose value does not fit what it says of others. Asks once for as long as a miss is
   * remembered, however many want to know.
   * @returns whether that is another value than before
   */
  async renewed(key: string, signal: AbortSignal): Promise<boolean> {
    const known = this.values.get(key);
    if (known === undefined) return false;
    const fetchedAt = later(known.expiresAt, -this.options.ttlMs);
    if (later(fetchedAt, this.options.missTtlMs) > this.clock.now()) return false;
    const underway = this.flights.get(key);
    const flight = underway === undefined || underway.abandoned ? this.startFetch(key, 'known') : underway;
    return (await flight.join(signal)) !== known.value;
  }

  /** C5. Who waits for a fetch still gets what it brings. */
  forget(): void {
    this.flights.clear();
    this.values.clear();
    this.misses.clear();
  }

  /** Gives up what is being fetched and forgets the rest. */
  close(): void {
    for (const flight of this.flights.values()) flight.giveUp();
    this.forget();
  }

  /** C4. What the source says, if it says something soon. */
  private async orStale(flight: Flight<V>, stale: Entry<V>, signal: AbortSignal): Promise<V> {
    const patience = new AbortController();
    const timer = this.clock.after(STALE_WAIT_MS, () => patience.abort(new Error('no answer')));
    try {
      return await flight.join(AbortSignal.any([signal, patience.signal]));
    } catch (error) {
      if (signal.aborted || !(patience.signal.aborted || isUntold(error))) throw error;
      stale.retryAfter = later(this.clock.now(), RETRY_PAUSE_MS);
      return this.serveStale(stale);
    } finally {
      timer.cancel();
    }
  }

  /** C6. */
  private serveFresh(key: string, known: Entry<V>, now: MonoMs): V {
    if (known.retryAfter <= now && !this.flights.has(key) && this.lanes.isOpen('refresh'))
      this.startFetch(key, 'refresh');
    return known.value;
  }

  private serveStale({ value }: Entry<V>): V {
    count('lb_lookup_stale_count');
    return value;
  }

  private startFetch(key: string, lane: LaneName): Flight<V> {
    const fetch = (signal: AbortSignal) => this.lanes.run(lane, () => this.fetch(key, signal), signal);
    const flight = new Flight(fetch, this.options.fetchTimeoutMs, this.clock);
    this.flights.set(key, flight);
    // Another flight has taken its place, or there was a `forget`: what this one brings is old (C5).
    const isCurrent = () => this.flights.get(key) === flight && this.flights.delete(key);
    flight.landed.then(
      (value) => {
        if (!isCurrent()) return;
        this.remember(this.values, key, value, this.options.ttlMs);
        this.misses.delete(key);
      },
      (error: unknown) => {
        const isMiss = error instanceof Error && describeError(error).status === 404;
        if (!isCurrent()) return;
        const known = this.values.get(key);
        if (known !== undefined && isUntold(error)) known.retryAfter = later(this.clock.now(), RETRY_PAUSE_MS);
        if (!isMiss) return;
        this.values.delete(key);
        if (key.length <= MAX_MISS_KEY_LENGTH) this.remember(this.misses, key, error, this.options.missTtlMs);
      },
    );
    return flight;
  }

  /** The oldest make room. */
  private remember<T>(entries: TurnoverMap<string, Entry<T>>, key: string, value: T, ttlMs: number): void {
    entries.delete(key);
    const [oldest] = entries.keys();
    if (entries.size >= this.options.maxEntries && oldest !== undefined) entries.delete(oldest);
    const now = this.clock.now();
    entries.set(key, { value, expiresAt: later(now, ttlMs), retryAfter: later(now, ttlMs * REFRESH_AFTER) });
  }
}

function laneOf(known: unknown): LaneName {
  return known === undefined ? 'unknown' : 'known';
}

/** The source has said neither yes nor no. */
function isUntold(error: unknown): boolean {
  return !(error instanceof Error) || describeError(error).status >= 500;
}

/** One fetch and those who wait for it. */
class Flight<V> {
  readonly landed: Promise<V>;
  private readonly controller = new AbortController();
  private waiters = 0;

  constructor(fetch: (signal: AbortSignal) => Promise<V>, timeoutMs: number, clock: Clock) {
    const timer = clock.after(timeoutMs, () => {
      const cause = new Error(`no answer within ${timeoutMs} ms`);
      this.controller.abort(new FnError('lookupUnavailable', { cause }));
    });
    this.landed = fetch(this.controller.signal).finally(() => timer.cancel());
  }

  /** Nobody should join any more. */
  get abandoned(): boolean {
    return this.controller.signal.aborted;
  }

  giveUp(): void {
    this.controller.abort(new CancelledError());
  }

  join(signal: AbortSignal): Promise<V> {
    this.waiters += 1;
    return new Promise<V>((resolve, reject) => {
      const leave = () => {
        signal.removeEventListener('abort', giveUp);
        this.waiters -= 1;
        if (this.waiters === 0) this.giveUp();
      };
      const giveUp = () => {
        leave();
        reject(signal.reason);
      };
      if (signal.aborted) return giveUp();
      signal.addEventListener('abort', giveUp);
      this.landed.then(resolve, reject).finally(leave);
    });
  }
}
