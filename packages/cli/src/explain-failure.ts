import { SettingsError } from '@fnfleet/core';

/** What a person reads when a command fails: what was wrong, and for bad settings where they are explained. */
export function explainFailure(error: unknown): string {
  if (!(error instanceof Error)) return `fnfleet: ${String(error)}`;
  if (error instanceof SettingsError) return `fnfleet: ${error.message}\n(fnfleet node --help lists every setting)`;
  const cause = error.cause instanceof Error ? error.cause.message : '';
  return `fnfleet: ${error.message}${error.message.includes(cause) ? '' : ` (${cause})`}`;
}
