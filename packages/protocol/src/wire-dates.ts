import { formatDate, parseDate } from '@fnfleet/core';

/** An instant in milliseconds as messages carry it; empty: has not happened. */
export function instant(ms: number | undefined): string {
  return ms === undefined ? '' : formatDate(ms);
}

/** A peer's clock is information: a date that cannot be read is no reason to lose the outcome of a call. */
export function instantOf(text: string): number | undefined {
  try {
    return text === '' ? undefined : parseDate(text);
  } catch {
    return undefined;
  }
}
