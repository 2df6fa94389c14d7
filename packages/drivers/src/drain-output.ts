import type { Clock } from '@fnfleet/core';

/** How long to wait for the end of the output after a container has ended. It nearly always arrives at once. */
const DRAIN_MS = 1_000;

/** Waits for the end of the output, which is often the most important part. @param cut ends the output when that takes too long */
export async function drainOutput(end: Promise<void>, cut: () => void, clock: Clock): Promise<void> {
  const timer = clock.after(DRAIN_MS, cut, { keepAlive: true });
  await end;
  timer.cancel();
}
