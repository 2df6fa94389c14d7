import { formatDate, parseDate, type WallMs } from '@fnfleet/core';

/** An instant as messages carry it; empty: has not happened. */
export function instant(at: WallMs | undefined): string {
  return at === undefined ? '' : formatDate(at);
}

/** A peer's clock is information: a date that cannot be read is no reason to lose the outcome of a call. */
export function instantOf(text: string): WallMs | undefined {
  try {
    return text === '' ? undefined : parseDate(text);
  } catch {
    return undefined;
  }
}
