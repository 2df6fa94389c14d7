import type { MembershipListener, MembershipSource, SourceDeps } from './membership.js';
import { RetryLoop } from './retry-loop.js';

/**
 * Reads a source once, or watches it for a while, and reports what it finds.
 * @returns how long to wait before the next read, milliseconds
 * @throws why the source could not be read
 */
export type Look = (found: MembershipListener, signal: AbortSignal) => Promise<number>;

/** Reads a source repeatedly; see `RetryLoop` for what happens after a failure. */
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

  /** Reads again at once, or right after the current read. */
  wake(): void {
    this.loop.wake();
  }

  close(): Promise<void> {
    this.listener = undefined;
    return this.loop.close();
  }
}
