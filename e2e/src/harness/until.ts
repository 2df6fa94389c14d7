import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 50;

interface UntilOptions<T> {
  /** What is awaited, for the message when it never comes. */
  readonly what: string;
  readonly look: () => T | undefined | Promise<T | undefined>;
  /** Generous: it only says when to give up. */
  readonly withinMs?: number;
}

/**
 * Looks until there is something to see: for what other processes do, and announce to nobody.
 * @throws Error when it is not there in time
 */
export async function until<T>({ what, look, withinMs = 60_000 }: UntilOptions<T>): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined) return seen;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${withinMs} ms`);
    await sleep(POLL_MS);
  }
}
