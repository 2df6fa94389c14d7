import { describeError, FnError, type LogFields, type Logger, PeerError } from '@fnfleet/core';

/** Logs errors of the platform with their cause, which the client does not see. */
export function logFailure(logger: Logger, error: unknown, fields: LogFields): void {
  const { status, message } = describeError(error);
  if (status < 500) return;
  const known = error instanceof FnError || error instanceof PeerError;
  logger.error('request failed', {
    ...fields,
    status,
    answer: message,
    detail: (known && error.detail) || undefined,
    error,
    stack: !known && error instanceof Error ? error.stack : undefined,
  });
}
