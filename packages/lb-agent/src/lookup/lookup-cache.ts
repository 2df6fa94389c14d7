import {
  CancelledError,
  type Clock,
  count,
  countFromZero,
  describeError,
  FnError,
  LONG_AGO,
  later,
  type MonoMs,
  TurnoverMap,
} from '@fnfleet/core';
import { type LaneName, LookupLanes } from './lookup-lanes.js';

export interface LookupCacheOptions {
  /** How long a value is used after it was fetched. Afterwards it is used only while the source does not answer. */
  readonly ttlMs: number;
  /** How long "not found" is cached. */
  readonly missTtlMs: number;
  /** Maximum number of cached values, and of cached misses. */
  readonly maxEntries: number;
  /** Time limit of one fetch. */
  readonly fetchTimeoutMs: number;
}

/** Fetches a value. The signal aborts when no caller waits any more, or when it takes too long. */
export type Fetch<V> = (key: string, signal: AbortSignal) => Promise<V>;

interface Entry<T> {
  readonly value: T;
  expiresAt: MonoMs;
  /** Earliest time of the next request to the source for this key, after a recent answer or a failure. */
  retryAfter: MonoMs;
}

/** How long a caller waits for the source if there is an expired value to fall back to, milliseconds. */
const STALE_WAIT_MS = 1_000;
/** Pause before an expired value that the source could not confirm is requested again, milliseconds. */
const RETRY_PAUSE_MS = 1_000;
/** The same after a caller has waited for an answer in vain: the next one would, too. */
const SILENCE_PAUSE_MS = 10_000;

/**
 * Share of its lifetime after which a value in use is refreshed in the background, so that later callers do not wait.
 */
const REFRESH_AFTER = 0.5;

/** A background refresh starts this long after the call that triggers it, milliseconds: most calls have left by then. */
const REFRESH_DELAY_MS = 5;

/** Misses with longer keys are not cached: clients choose keys, and must not control the memory in use. */
const MAX_MISS_KEY_LENGTH = 300;

/**
 * A cache of lookups.
 *
 * C1  Concurrent lookups of one key share one fetch, and its value or error.
 * C2  A caller that gives up does not affect the others; the fetch is cancelled when the last one gives up.
 * C3  Misses are stored apart from values, so that made-up keys cannot evict values in use.
 * C4  Errors other than "not found" are not cached. While they last, or while no answer arrives, the previous value is
 *     used, whatever its age: calls do not fail because the source is unavailable.
 * C5  After `forget`, `outdate` or `remove`, values of fetches that started before it are not used for later callers.
 * C6  A value that is used in the second half of its lifetime is refreshed in the background. A caller waits only if
 *     the value was not used for longer than its lifetime.
 * C7  Requests to the source go through lanes, which several caches may share: a background refresh is postponed when
 *     its lane is full, and made-up keys leave capacity for known ones.
 * C8  A value that was reported as outdated is fetched again before it is used, and serves on only while the source does
 *     not answer (C4). One that was reported as removed does not serve on.
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
   * Returns the value itself if it is cached.
   * @throws or rejects with the error of the fetch, or with the reason of the signal if that aborts first
   */
  get(key: string, signal: AbortSignal): V | Promise<V> {
    const now = this.clock.now();
    const known = this.values.get(key);
    if (known !== undefined && known.expiresAt > now) return this.serveFresh(key, known, now);
    const miss = this.misses.get(key);
    if (miss !== undefined && miss.expiresAt > now) throw miss.value;
    const underway = this.flights.get(key);
    if (known !== undefined && known.retryAfter > now) return this.serveStale(known);
    const flight = underway === undefined || underway.abandoned ? this.startFetch(key, laneOf(known)) : underway;
    return known === undefined ? flight.join(signal) : this.orStale(flight, known, signal);
  }

  /** The cached value, if it is current. */
  known(key: string): V | undefined {
    const now = this.clock.now();
    const known = this.values.get(key);
    return known !== undefined && known.expiresAt > now ? this.serveFresh(key, known, now) : undefined;
  }

  /** The last value from the source, whatever its age. */
  last(key: string): V | undefined {
    return this.values.get(key)?.value;
  }

  /** Prefetches a value unless it is cached. */
  prefetch(key: string): void {
    const now = this.clock.now();
    const isOver = (entry?: Entry<unknown>) =>
      entry === undefined || (entry.expiresAt <= now && entry.retryAfter <= now);
    if (!isOver(this.values.get(key)) || !isOver(this.misses.get(key)) || this.flights.has(key)) return;
    this.startFetch(key, laneOf(this.values.get(key)));
  }

  /**
   * Fetches a key again whose cached value is inconsistent with other values. Sends at most one request in the time for
   * which a miss is cached, whatever the number of callers.
   * @returns whether the value has changed
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

  /** C8. The key has changed at the source. @returns whether a value is cached */
  outdate(key: string): boolean {
    this.dropFlight(key);
    this.misses.delete(key);
    const known = this.values.get(key);
    if (known !== undefined) expire(known);
    return known !== undefined;
  }

  /** C8. Everything may have changed. */
  outdateAll(): void {
    for (const key of [...this.flights.keys()]) this.dropFlight(key);
    this.misses.clear();
    for (const known of this.values.values()) expire(known);
  }

  /** C8. The key is gone at the source. */
  remove(key: string): void {
    this.dropFlight(key);
    this.misses.delete(key);
    this.values.delete(key);
  }

  /** C8. Keys are gone that depend on something else: those of which the value, or if there is none the key, matches. */
  removeWhere(matches: (key: string, value: V | undefined) => boolean): void {
    for (const [key, { value }] of this.values) if (matches(key, value)) this.values.delete(key);
    for (const key of [...this.misses.keys()]) if (matches(key, undefined)) this.misses.delete(key);
    // What is being fetched is not known before it arrives.
    for (const key of [...this.flights.keys()]) this.dropFlight(key);
  }

  /** Fetches an outdated value in the background, unless enough others are being fetched: then the next caller does. */
  refetch(key: string): void {
    if (this.values.has(key) && !this.flights.has(key) && this.lanes.isOpen('refresh'))
      this.startFetch(key, 'refresh', 0);
  }

  /** C5. Callers that already wait for the fetch still get its result. */
  private dropFlight(key: string): void {
    this.flights.get(key)?.cancelIfAlone();
    this.flights.delete(key);
  }

  /** C5. Callers that already wait for a fetch still get its result. */
  forget(): void {
    this.flights.clear();
    this.values.clear();
    this.misses.clear();
  }

  /** Cancels all fetches and clears the cache. */
  close(): void {
    for (const flight of this.flights.values()) flight.cancel();
    this.forget();
  }

  /** C4. The value from the source, if it arrives soon. */
  private async orStale(flight: Flight<V>, stale: Entry<V>, signal: AbortSignal): Promise<V> {
    const patience = new AbortController();
    const timer = this.clock.after(STALE_WAIT_MS, () => patience.abort(new Error('no answer')));
    try {
      return await flight.join(AbortSignal.any([signal, patience.signal]));
    } catch (error) {
      if (signal.aborted || !(patience.signal.aborted || isUntold(error))) throw error;
      const pauseMs = patience.signal.aborted ? SILENCE_PAUSE_MS : RETRY_PAUSE_MS;
      stale.retryAfter = later(this.clock.now(), pauseMs);
      return this.serveStale(stale);
    } finally {
      timer.cancel();
    }
  }

  /** C6. The request waits for a moment, so that it does not take the event loop from the call that caused it. */
  private serveFresh(key: string, known: Entry<V>, now: MonoMs): V {
    if (known.retryAfter <= now && !this.flights.has(key) && this.lanes.isOpen('refresh'))
      this.startFetch(key, 'refresh');
    return known.value;
  }

  private serveStale({ value }: Entry<V>): V {
    count('lb_lookup_stale_count');
    return value;
  }

  private startFetch(key: string, lane: LaneName, delayMs = lane === 'refresh' ? REFRESH_DELAY_MS : 0): Flight<V> {
    const fetch = (signal: AbortSignal) =>
      this.lanes.run(
        lane,
        async () => {
          if (delayMs > 0) await this.clock.sleep(delayMs, signal);
          return this.fetch(key, signal);
        },
        signal,
      );
    const flight = new Flight(fetch, this.options.fetchTimeoutMs, this.clock);
    this.flights.set(key, flight);
    // Another fetch has replaced this one, or `forget` was called: its result is outdated (C5).
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

  /** Evicts the oldest entries. */
  private remember<T>(entries: TurnoverMap<string, Entry<T>>, key: string, value: T, ttlMs: number): void {
    entries.delete(key);
    const [oldest] = entries.keys();
    if (entries.size >= this.options.maxEntries && oldest !== undefined) entries.delete(oldest);
    const now = this.clock.now();
    entries.set(key, { value, expiresAt: later(now, ttlMs), retryAfter: later(now, ttlMs * REFRESH_AFTER) });
  }
}

function expire(entry: Entry<unknown>): void {
  entry.expiresAt = LONG_AGO;
  entry.retryAfter = LONG_AGO;
}

function laneOf(known: unknown): LaneName {
  return known === undefined ? 'unknown' : 'known';
}

/** Whether an error means that the source gave no answer. */
function isUntold(error: unknown): boolean {
  return !(error instanceof Error) || describeError(error).status >= 500;
}

/** One fetch and the callers that wait for it. */
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

  /** Whether no further callers may join. */
  get abandoned(): boolean {
    return this.controller.signal.aborted;
  }

  /** Ends a fetch for which nobody waits. */
  cancelIfAlone(): void {
    if (this.waiters === 0) this.cancel();
  }

  cancel(): void {
    this.controller.abort(new CancelledError());
  }

  join(signal: AbortSignal): Promise<V> {
    this.waiters += 1;
    return new Promise<V>((resolve, reject) => {
      const leave = () => {
        signal.removeEventListener('abort', giveUp);
        this.waiters -= 1;
        if (this.waiters === 0) this.cancel();
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
