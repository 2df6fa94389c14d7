import { CancelledError, FnError } from '@fnfleet/core';

/** What a call ends with whose signal has aborted: the reason if it is an error that callers know, else "cancelled". */
export function cancelReason(signal: AbortSignal): FnError | CancelledError {
  const { reason } = signal;
  return reason instanceof FnError || reason instanceof CancelledError ? reason : new CancelledError();
}
