import { LONG_AGO, later, type MonoMs, TurnoverMap } from '@fnfleet/core';
import type { LoadReport, OutboundCall } from '@fnfleet/protocol';
import type { Need } from './need.js';

/** A report older than this says nothing any more: others place calls there as well. Milliseconds. */
const TRUSTED_MS = 2_000;

/**
 * How much memory a runner has left for new containers, from its last report and what it was offered since. Only a guess:
 * the runner decides. It saves asking those who would say no, and is never the reason to give a call up.
 */
export class Room {
  private leftBytes: number | undefined;
  private totalBytes: number | undefined;
  /** What the calls in hand need. A runner counts memory only once it makes a container. */
  private inHandBytes = 0;
  private readonly inHand = new TurnoverMap<OutboundCall, number>();
  private toldAt = LONG_AGO;

  told(load: LoadReport, now: MonoMs): void {
    const { memoryTotalBytes, memoryUsedBytes, memoryIdleBytes = 0 } = load;
    // One that does not know its memory has no limit that could be guessed at.
    this.totalBytes = memoryTotalBytes > 0 ? memoryTotalBytes : undefined;
    this.leftBytes = this.totalBytes && this.totalBytes - memoryUsedBytes + memoryIdleBytes;
    this.toldAt = now;
  }

  /** A call is offered. */
  taken({ call, bytes }: Need): void {
    this.inHand.set(call, bytes);
    this.inHandBytes += bytes;
    if (this.leftBytes !== undefined) this.leftBytes -= bytes;
  }

  /** A call that was offered has ended. Idempotent: its report and its outcome come in either order. */
  returned(call: OutboundCall): void {
    this.inHandBytes -= this.inHand.get(call) ?? 0;
    this.inHand.delete(call);
  }

  fits(bytes: number, now: MonoMs): boolean {
    if (this.leftBytes === undefined || this.totalBytes === undefined || now >= this.trustedUntil) return true;
    return bytes <= Math.min(this.leftBytes, this.totalBytes - this.inHandBytes);
  }

  /** When what is known becomes too old. */
  get trustedUntil(): MonoMs {
    return later(this.toldAt, TRUSTED_MS);
  }

  forget(): void {
    this.leftBytes = undefined;
  }
}
