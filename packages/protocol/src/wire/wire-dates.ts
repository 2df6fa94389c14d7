import { formatDate, parseDate, type WallMs } from '@fnfleet/core';

/** An instant in a message; empty if it has not happened. */
export function instant(at: WallMs | undefined): string {
  return at === undefined ? '' : formatDate(at);
}

/** A peer's dates are informational: an unreadable date is no reason to lose the outcome of a call. */
export function instantOf(text: string): WallMs | undefined {
  try {
    return text === '' ? undefined : parseDate(text);
  } catch {
    return undefined;
  }
}
