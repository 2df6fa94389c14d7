import { Deferred, type Timer } from '@fnfleet/core';
import type { MembershipListener, MembershipSource, SourceDeps } from './membership.js';

/**
 * One look at a source: reads it once, or for as long as a watch lasts, and reports what it finds.
 * @returns how long what it found may stand until the next look, milliseconds
 * @throws why the source could not be read
 */
export type Look = (report: (addresses: readonly string[]) => void, signal: AbortSignal) => Promise<number>;

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 30_000;

/**
 * Looks at a source again and again, for ever.
 *
 *   looking ──returns──▶ resting ──time is over, woken──▶ looking
 *      └─────throws────▶ resting, longer with each failure in a row
 *
 * Rests after a failure are jittered: balancers that lost their source together must not come back together.
 */
export class RetryingSource implements MembershipSource {
  private readonly stop = new AbortController();
  private running: Promise<void> = Promise.resolve();
  /** Resolved to end the rest. A rest that has not begun yet is skipped. */
  private woken = new Deferred<void>();

  constructor(
    private readonly look: Look,
    private readonly deps: Pick<SourceDeps, 'clock' | 'random'>,
  ) {}

  start(listener: MembershipListener): void {
    this.running = this.run(listener);
  }

  /** Looks again at once, or right after the look that goes on now. */
  wake(): void {
    this.woken.resolve();
  }

  async close(): Promise<void> {
    this.stop.abort();
    this.wake();
    await this.running;
  }

  private async run(listener: MembershipListener): Promise<void> {
    const { signal } = this.stop;
    const report = (addresses: readonly string[]) => {
      if (!signal.aborted) listener.onMembers(addresses);
    };
    for (let failures = 0; !signal.aborted; ) {
      this.woken = new Deferred();
      let restMs: number;
      try {
        restMs = await this.look(report, signal);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        listener.onFailure(error instanceof Error ? error : new Error(String(error)));
        restMs = this.retryMs(failures);
        failures += 1;
      }
      if (!signal.aborted) await this.rest(restMs);
    }
  }

  private async rest(restMs: number): Promise<void> {
    const timer: Timer = this.deps.clock.after(restMs, () => this.wake());
    await this.woken.promise;
    timer.cancel();
  }

  private retryMs(failures: number): number {
    const ceiling = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 30));
    return ceiling / 2 + (this.deps.random() * ceiling) / 2;
  }
}
