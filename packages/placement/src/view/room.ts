import type { LoadReport } from '@fnfleet/protocol';

/** A report older than this says nothing any more: others place calls there as well. Milliseconds. */
const TRUSTED_MS = 2_000;

/**
 * How much memory a runner has left for new containers, from its last report and what it was offered since. Only a guess:
 * the runner decides. It saves asking those who would say no, and is never the reason to give a call up.
 */
export class Room {
  private leftBytes: number | undefined;
  private toldAt = Number.NEGATIVE_INFINITY;

  told(load: LoadReport, now: number): void {
    const { memoryTotalBytes, memoryUsedBytes, memoryIdleBytes = 0 } = load;
    // One that does not know its memory has no limit that could be guessed at.
    this.leftBytes = memoryTotalBytes > 0 ? memoryTotalBytes - memoryUsedBytes + memoryIdleBytes : undefined;
    this.toldAt = now;
  }

  /** A container is probably being made there. */
  taken(bytes: number): void {
    if (this.leftBytes !== undefined) this.leftBytes -= bytes;
  }

  fits(bytes: number, now: number): boolean {
    return this.leftBytes === undefined || bytes <= this.leftBytes || now >= this.trustedUntil;
  }

  /** When what is known becomes too old, milliseconds by the clock. */
  get trustedUntil(): number {
    return this.toldAt + TRUSTED_MS;
  }

  forget(): void {
    this.leftBytes = undefined;
  }
}
