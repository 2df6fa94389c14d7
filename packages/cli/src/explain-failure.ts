import { printable, SettingsError } from '@fnfleet/core';

/** The error message of a failed command, with a hint to the documentation of settings if they are invalid. */
export function explainFailure(error: unknown): string {
  const hint = error instanceof SettingsError ? '\n(fnfleet node --help lists every setting)' : '';
  return `fnfleet: ${failureText(error)}${hint}`;
}

/** The message of an error, with its cause if the message lacks it. */
export function failureText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? printable(error.cause.message.trim()) : '';
  // The message may contain the cause in its escaped form.
  return `${error.message}${printable(error.message).includes(cause) ? '' : ` (${cause})`}`;
}
