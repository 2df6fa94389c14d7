import { printable, SettingsError } from '@fnfleet/core';

/** What a person reads when a command fails: what was wrong, and for bad settings where they are explained. */
export function explainFailure(error: unknown): string {
  const hint = error instanceof SettingsError ? '\n(fnfleet node --help lists every setting)' : '';
  return `fnfleet: ${failureText(error)}${hint}`;
}

/** What was wrong, with the cause where the message does not have it. */
export function failureText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? printable(error.cause.message.trim()) : '';
  // The message may have the cause as it is shown.
  return `${error.message}${printable(error.message).includes(cause) ? '' : ` (${cause})`}`;
}
