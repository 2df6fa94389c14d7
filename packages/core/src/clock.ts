/**
 * Time as a dependency: production code takes a Clock, tests drive a fake one. This module is the only one that reads the
 * machine's clocks: `npm run check` finds others that do (scripts/clocks.grit).
 *
 * There are two times, and types keep them apart:
 *
 *   MonoMs  process time: never steps, means nothing in another process or thread. For durations, ages, expiry, deadlines.
 *   WallMs  the wall clock: operators and other machines know it, and it may step. For display and for the wire.
 *
 * A deadline leaves the process as a duration (`grpc-timeout`) or by way of `wallAt`; none comes in but as a duration.
 * Durations are plain numbers of milliseconds.
 */
export interface Clock {
  /** Process time: starts near zero and never steps. */
  now(): MonoMs;
  /** The wall clock. */
  wallNow(): WallMs;
  /** Runs `callback` once, unless cancelled. The timer keeps the process alive only if `keepAlive` is set. */
  after(delayMs: number, callback: () => void, options?: { keepAlive?: boolean }): Timer;
  /** Resolves after the delay, or at once when the signal aborts. Never rejects. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

declare const mono: unique symbol;
declare const wall: unique symbol;

/**
 * An instant of process time, milliseconds. The difference of two is a duration; `later` adds one. A plain number is not
 * an instant: what comes over the wire cannot end up here.
 */
export type MonoMs = number & { readonly [mono]: true };

/**
 * An instant of the wall clock: a number of milliseconds since the Unix epoch at run time, opaque to the compiler. It can be
 * compared with another, but neither subtracted nor mixed with process time: a clock that steps cannot measure a duration.
 */
export interface WallMs {
  readonly [wall]: true;
}

/** Later than every instant: what expires then never does. */
export const NEVER = Number.POSITIVE_INFINITY as MonoMs;

/** Earlier than every instant: what was last done then has never been done. */
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

/** A number of milliseconds since the epoch, as the wire and certificates have it. */
export function wallMs(epochMs: number): WallMs {
  return epochMs as unknown as WallMs;
}

/** Milliseconds since the epoch, for the wire, for dates, and to compare with what another machine says. */
export function epochMs(at: WallMs): number {
  return at as unknown as number;
}

/** What the wall clock will show, or has shown, at an instant of process time; as it is set now. */
export function wallAt(at: MonoMs, clock: Pick<Clock, 'now' | 'wallNow'>): WallMs {
  return later(clock.wallNow(), at - clock.now());
}

/** A duration as the wire and metrics of calls have it: whole nanoseconds. */
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

/** The sleep of any clock, from its timer. */
export function sleepOn(clock: Pick<Clock, 'after'>, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      timer.cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    // A sleeper is somebody's work in hand: it keeps the process alive.
    const timer = clock.after(delayMs, done, { keepAlive: true });
    signal?.addEventListener('abort', done, { once: true });
  });
}
