import { later, type WallMs } from '../clock.js';
export interface Dated {
  /** Undefined in rows of unknown age. */
  createdAt: WallMs | undefined;
  updatedAt: WallMs | undefined;
}

/**
 * The revised object, with a new `updatedAt` only if anything else differs. The new time is always later than the old one,
 * even within a millisecond, so that readers can tell the two apart.
 */
export function revised<T extends Dated>(current: T, next: T, encode: (value: T) => string, now: WallMs): T {
  if (encode(next) === encode(current)) return current;
  const { updatedAt } = current;
  return { ...next, updatedAt: updatedAt === undefined || updatedAt < now ? now : later(updatedAt, 1) };
}
