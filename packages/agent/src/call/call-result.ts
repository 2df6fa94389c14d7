import { type Call, CancelledError, count, FnError } from '@fnfleet/core';

/**
 * Counts a call that ended before it started.
 * @param error the reason; FnError `serverBusy` when the caller's deadline passed
 * @returns the error for the caller
 */
export function endUnstarted(error: unknown): unknown {
  if (isBusy(error)) count('server_busy');
  else if (isCancelled(error)) count('canceled');
  else count('errors');
  return error;
}

/** Sets the status of a started call and counts how it ended. @param error undefined when it succeeded */
export function endStarted(model: Call, error: unknown): void {
  if (error === undefined) {
    model.status = 'success';
    count('completed');
  } else if (error instanceof FnError && error.code === 'callTimeout') {
    model.status = 'timeout';
    count('timeouts');
  } else {
    model.status = 'error';
    model.error = error instanceof Error ? error.message : String(error);
    count(isCancelled(error) ? 'canceled' : 'errors');
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof FnError && (error.code === 'serverBusy' || error.code === 'imagePulling');
}

function isCancelled(error: unknown): boolean {
  return error instanceof CancelledError;
}
