import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock, Timer } from '@fnfleet/core';

/** By then a role has loaded its code and made its first connections. Milliseconds. */
const STARTED_MS = 2_000;

/**
 * Makes V8 give back the memory that only the start needed, 10 MiB of a role. V8 does so by itself when a process is idle, but looks
 * for that only after a collection, and an idle role makes so little garbage that none comes for a long time. One of the young
 * generation is enough; the memory is returned some seconds later.
 */
export function returnStartMemory(clock: Pick<Clock, 'after'>, collect: () => void = collectYoung): Timer {
  return clock.after(STARTED_MS, collect);
}

/** Collects the young generation, which takes about a millisecond. */
export function collectYoung(): void {
  setFlagsFromString('--expose-gc');
  const collect: ((options: { readonly type: 'minor' }) => void) | undefined = runInNewContext('globalThis.gc');
  setFlagsFromString('--no-expose-gc');
  collect?.({ type: 'minor' });
}
