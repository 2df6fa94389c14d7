import type { MonoMs } from '@fnfleet/core';

/** The weight of a runner that has just come. */
const LEAST = 0.1;

/** Grows from a tenth to all of its share: caches are cold, code is not compiled, images are not there. */
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
