/** The weight of a runner that has just come. */
const LEAST = 0.1;

/** Grows from a tenth to all of its share: caches are cold, code is not compiled, images are not there. */
export class SlowStart {
  private sinceMs: number | undefined;

  constructor(private readonly lengthMs: number) {}

  begin(now: number): void {
    this.sinceMs = now;
  }

  weight(now: number): number {
    if (this.sinceMs === undefined) return 1;
    const share = (now - this.sinceMs) / this.lengthMs;
    if (share < 1) return Math.max(LEAST, share);
    this.sinceMs = undefined;
    return 1;
  }
}
