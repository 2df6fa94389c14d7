import { CancelledError, Deferred } from '@fnfleet/core';

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
