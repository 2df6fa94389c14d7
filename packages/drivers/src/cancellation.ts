import { CancelledError, Deferred } from '@fnfleet/core';

/**
 * The promise, or a CancelledError as soon as the signal aborts. What the promise stands for goes on: its owner
 * has to see to it that the result is not lost.
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
