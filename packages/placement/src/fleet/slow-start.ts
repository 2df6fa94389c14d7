import type { MonoMs } from '@fnfleet/core';

/** The initial weight of a new runner. */
const LEAST = 0.1;

/** Grows the share of a new runner from a tenth to all of it: its caches are cold, code is not compiled, images are missing. */
export class SlowStart {
  private since: MonoMs | undefined;

  constructor(private readonly lengthMs: number) {}

  begin(now: MonoMs): void {
    this.since = now;
  }

  weight(now: MonoMs): number {
    if (this.since === undefined) return 1;
    const share = (now - this.since) / this.lengthMs;
    if (share < 1) return Math.max(LEAST, share);
    this.since = undefined;
    return 1;
  }
}
