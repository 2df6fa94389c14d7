import { LONG_AGO, later, type MonoMs, TurnoverMap } from '@fnfleet/core';
import type { LoadReport, OutboundCall } from '@fnfleet/protocol';
import type { ResourceRequest } from './resource-request.js';

/** A report older than this says nothing any more: others place calls there as well. Milliseconds. */
const TRUSTED_MS = 2_000;

/**
 * How much memory a runner has left for new containers, from its last report and what it was offered since. Only a guess:
 * the runner decides. It saves asking those who would say no, and is never the reason to give a call up.
 */
export class CapacityEstimate {
  private leftBytes: number | undefined;
  private totalBytes: number | undefined;
  /** What the calls in hand need. A runner counts memory only once it makes a container. */
  private reservedBytes = 0;
  private readonly reserved = new TurnoverMap<OutboundCall, number>();
  private reportedAt = LONG_AGO;

  onLoadReport(load: LoadReport, now: MonoMs): void {
    const { memoryTotalBytes, memoryUsedBytes, memoryIdleBytes = 0 } = load;
    // One that does not know its memory has no limit that could be guessed at.
    this.totalBytes = memoryTotalBytes > 0 ? memoryTotalBytes : undefined;
    this.leftBytes = this.totalBytes && this.totalBytes - memoryUsedBytes + memoryIdleBytes;
    this.reportedAt = now;
  }

  /** A call is offered. */
  reserve({ call, bytes }: ResourceRequest): void {
    this.reserved.set(call, bytes);
    this.reservedBytes += bytes;
    if (this.leftBytes !== undefined) this.leftBytes -= bytes;
  }

  /** A call that was offered has ended. Idempotent: its report and its outcome come in either order. */
  release(call: OutboundCall): void {
    this.reservedBytes -= this.reserved.get(call) ?? 0;
    this.reserved.delete(call);
  }

  fits(bytes: number, now: MonoMs): boolean {
    if (this.leftBytes === undefined || this.totalBytes === undefined || now >= this.trustedUntil) return true;
    return bytes <= Math.min(this.leftBytes, this.totalBytes - this.reservedBytes);
  }

  /** When what is known becomes too old. */
  get trustedUntil(): MonoMs {
    return later(this.reportedAt, TRUSTED_MS);
  }

  forget(): void {
    this.leftBytes = undefined;
  }
}
