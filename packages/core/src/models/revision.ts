export interface Dated {
  /** Milliseconds since the epoch; undefined in rows of unknown age. */
  createdAt: number | undefined;
  updatedAt: number | undefined;
}

/**
 * The revised object, with a new `updatedAt` only if anything else differs. The new time is always later than the old
 * one, even within a millisecond, so that a reader can tell the two apart.
 */
export function revised<T extends Dated>(current: T, next: T, encode: (value: T) => string, nowMs: number): T {
  if (encode(next) === encode(current)) return current;
  return { ...next, updatedAt: Math.max(nowMs, (current.updatedAt ?? 0) + 1) };
}
