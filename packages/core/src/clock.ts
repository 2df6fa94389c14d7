/**
 * Time as a dependency: production code takes a Clock, tests drive a fake one.
 * All instants and durations are milliseconds; `nowNs` is a monotonic reading for durations that travel in nanoseconds.
 */
export interface Clock {
  /** Wall clock, milliseconds since the Unix epoch. */
  now(): number;
  /** Monotonic, nanoseconds. Only differences mean anything. */
  nowNs(): bigint;
  /** Runs `callback` once, unless cancelled. The timer keeps the process alive only if `keepAlive` is set. */
  after(delayMs: number, callback: () => void, options?: { keepAlive?: boolean }): Timer;
  /** Resolves after the delay, or at once when the signal aborts. Never rejects. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

export interface Timer {
  /** Idempotent. */
  cancel(): void;
}

/** setTimeout cannot wait longer than this (about 24.8 days); a longer delay means "never" to a running process. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  nowNs: () => process.hrtime.bigint(),
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
