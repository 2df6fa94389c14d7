import type { MembershipListener, MembershipSource, SourceDeps } from './membership.js';
import { RetryLoop } from './retry-loop.js';

/**
 * One look at a source: reads it once, or for as long as a watch lasts, and tells what it finds.
 * @returns how long that may stand until the next look, milliseconds
 * @throws why the source could not be read
 */
export type Look = (found: MembershipListener, signal: AbortSignal) => Promise<number>;

/** Looks at a source again and again, for ever; see `RetryLoop` for what happens after a failure. */
export class RetryingSource implements MembershipSource {
  private readonly loop: RetryLoop;
  private listener: MembershipListener | undefined;

  constructor(look: Look, deps: Pick<SourceDeps, 'clock' | 'random'>) {
    const found: MembershipListener = {
      onMembers: (addresses) => this.listener?.onMembers(addresses),
      onFailure: (error) => this.listener?.onFailure(error),
    };
    this.loop = new RetryLoop({ ...deps, act: (signal) => look(found, signal), onFailure: found.onFailure });
  }

  start(listener: MembershipListener): void {
    this.listener = listener;
    this.loop.start();
  }

  /** Looks again at once, or right after the look that goes on now. */
  wake(): void {
    this.loop.wake();
  }

  close(): Promise<void> {
    this.listener = undefined;
    return this.loop.close();
  }
}
