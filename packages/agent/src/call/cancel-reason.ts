import { CancelledError, FnError } from '@fnfleet/core';

/** The error of a call whose signal has aborted: the abort reason if callers know that error, otherwise CancelledError. */
export function cancelReason(signal: AbortSignal): FnError | CancelledError {
  const { reason } = signal;
  return reason instanceof FnError || reason instanceof CancelledError ? reason : new CancelledError();
}
