import type { Clock } from '@fnfleet/core';

/** How long the end of an output is waited for when its container has ended. It is nearly always there at once. */
const LAST_WORDS_MS = 1_000;

/** Waits for the end of an output, which is often the most telling part of it; `cut` makes it end when it takes too long. */
export async function lastWords(end: Promise<void>, cut: () => void, clock: Clock): Promise<void> {
  const timer = clock.after(LAST_WORDS_MS, cut, { keepAlive: true });
  await end;
  timer.cancel();
}
