import { TurnoverSet } from '@fnfleet/core';

/**
 * Bounds how many containers start at the same time. Starting one costs the machine and the engine real work: started all at
 * once they only slow each other down, and most calls of a burst are served by the first few anyway. First come, first served.
 */
export class LaunchLimiter {
  private active = 0;
  private readonly waiting = new TurnoverSet<() => void>();

  /** @param limit at least 1 */
  constructor(private readonly limit: number) {}

  /**
   * Waits for a place.
   * @returns an idempotent function that releases the place
   * @throws the signal's reason on abort
   */
  async acquire(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.active < this.limit) this.active += 1;
    else await this.turn(signal);
    let released = false;
    return () => {
      if (released) return;
      released = true;
      this.release();
    };
  }

  /** A released place goes straight to the next in line. */
  private release(): void {
    const [next] = this.waiting;
    if (next === undefined) this.active -= 1;
    else next();
  }

  private turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.waiting.delete(go);
        reject(signal.reason);
      };
      const go = () => {
        this.waiting.delete(go);
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      this.waiting.add(go);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }
}
