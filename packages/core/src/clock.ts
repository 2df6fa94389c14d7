/**
 * Time as a dependency: production code takes a Clock, and tests control a fake one. Only this module reads the clocks of the
 * machine; `npm run check` finds others that do (scripts/clocks.grit).
 *
 * There are two kinds of time, kept apart by types:
 *
 *   MonoMs  process time: never steps, and has no meaning in another process or thread. For durations, ages, expiry, deadlines.
 *   WallMs  wall-clock time: shared with operators and other machines, and may step. For display and for the wire.
 *
 * A deadline leaves the process as a duration (`grpc-timeout`) or through `wallAt`, and enters only as a duration.
 * Durations are plain numbers, in milliseconds.
 */
export interface Clock {
  /** Process time: starts near zero and never steps. */
  now(): MonoMs;
  /** Wall-clock time. */
  wallNow(): WallMs;
  /** Runs `callback` once, unless cancelled. The timer keeps the process alive only if `keepAlive` is set. */
  after(delayMs: number, callback: () => void, options?: { keepAlive?: boolean }): Timer;
  /** Resolves after the delay, or at once when the signal aborts. Never rejects. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

declare const mono: unique symbol;
declare const wall: unique symbol;

/**
 * An instant of process time, in milliseconds. The difference of two is a duration; `later` adds one. A plain number is not
 * an instant, so nothing that was received over the wire can be used as one.
 */
export type MonoMs = number & { readonly [mono]: true };

/**
 * An instant of wall-clock time: at run time the milliseconds since the Unix epoch, opaque to the compiler. It can be compared
 * with another, but neither subtracted nor mixed with process time, because a clock that steps cannot measure a duration.
 */
export interface WallMs {
  readonly [wall]: true;
}

/** Later than every instant, for things that never expire. */
export const NEVER = Number.POSITIVE_INFINITY as MonoMs;

/** Earlier than every instant, for things that have never happened. */
export const LONG_AGO = Number.NEGATIVE_INFINITY as MonoMs;

/** The instant `ms` later, or earlier if negative. */
export function later(at: MonoMs, ms: number): MonoMs;
export function later(at: WallMs, ms: number): WallMs;
export function later(at: MonoMs | WallMs, ms: number): MonoMs | WallMs {
  return ((at as number) + ms) as MonoMs;
}

export function earliest(...instants: readonly MonoMs[]): MonoMs {
  return Math.min(...instants) as MonoMs;
}

export function latest(...instants: readonly MonoMs[]): MonoMs {
  return Math.max(...instants) as MonoMs;
}

/** Reads milliseconds since the epoch, as used on the wire and in certificates. */
export function wallMs(epochMs: number): WallMs {
  return epochMs as unknown as WallMs;
}

/** Milliseconds since the epoch, for the wire, for dates, and for comparison with other machines. */
export function epochMs(at: WallMs): number {
  return at as unknown as number;
}

/** The wall-clock time at an instant of process time, according to the current setting of the clock. */
export function wallAt(at: MonoMs, clock: Pick<Clock, 'now' | 'wallNow'>): WallMs {
  return later(clock.wallNow(), at - clock.now());
}

/** A duration in whole nanoseconds, as used on the wire and in the metrics of calls. */
export function nanoseconds(ms: number): number {
  return Math.round(ms * 1e6);
}

export interface Timer {
  /** Idempotent. */
  cancel(): void;
}

/** setTimeout cannot wait longer than this (about 24.8 days); a longer delay means "never" to a running process. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => performance.now() as MonoMs,
  wallNow: () => wallMs(Date.now()),
  after(delayMs, callback, options) {
    if (delayMs === Number.POSITIVE_INFINITY) return { cancel: () => undefined };
    const handle = setTimeout(callback, Math.min(Math.max(0, delayMs), MAX_TIMEOUT_MS));
    if (!options?.keepAlive) handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
  sleep(delayMs, signal) {
    return sleepOn(this, delayMs, signal);
  },
};

/** Implements `sleep` of any clock with its timer. */
export function sleepOn(clock: Pick<Clock, 'after'>, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      timer.cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    // Somebody waits for the sleeper, so the timer keeps the process alive.
    const timer = clock.after(delayMs, done, { keepAlive: true });
    signal?.addEventListener('abort', done, { once: true });
  });
}
