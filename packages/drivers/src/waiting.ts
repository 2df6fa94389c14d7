import { CancelledError, type Clock, Deferred } from '@fnfleet/core';

/**
 * Settles like the promise, or rejects with a CancelledError as soon as the signal aborts. The underlying operation continues:
 * its owner must make sure that the result is not leaked.
 */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = new Deferred<never>();
  const abort = () => aborted.reject(new CancelledError());
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([aborted.promise, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new CancelledError();
}

/** How long to wait for the end of the output after a container has ended. It nearly always arrives at once. */
const DRAIN_MS = 1_000;

/** Waits for the end of the output, which is often the most important part. @param cut ends the output when that takes too long */
export async function drainOutput(end: Promise<void>, cut: () => void, clock: Clock): Promise<void> {
  const timer = clock.after(DRAIN_MS, cut, { keepAlive: true });
  await end;
  timer.cancel();
}
