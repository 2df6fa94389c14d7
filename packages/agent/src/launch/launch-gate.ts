import { TurnoverSet } from '@fnfleet/core';
/**
 * How many containers may be on their way at the same time. Starting one costs the machine and the engine real work:
 * started all at once they only make each other slow, and most calls of a burst are served by the first few anyway.
 * First come, first served.
 */
export class LaunchGate {
  private inside = 0;
  private readonly waiting = new TurnoverSet<() => void>();

  /** @param limit at least 1 */
  constructor(private readonly limit: number) {}

  /**
   * Waits for a place. The returned function gives it back and is idempotent.
   * @throws the signal's reason on abort
   */
  async enter(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.inside < this.limit) this.inside += 1;
    else await this.turn(signal);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.leave();
    };
  }

  /** The place of one who leaves goes straight to the next. */
  private leave(): void {
    const [next] = this.waiting;
    if (next === undefined) this.inside -= 1;
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
