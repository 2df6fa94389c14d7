import { LONG_AGO, later, MIB, type MonoMs, TurnoverMap } from '@fnfleet/core';
import type { LoadReport, OutboundCall } from '@fnfleet/protocol';

/** What a call needs on a runner. */
export interface ResourceRequest {
  readonly call: OutboundCall;
  readonly fnId: string;
  /** Memory of its container. */
  readonly bytes: number;
  /** How long an idle container of the function stays. */
  readonly idleMs: number;
}

export function resourceRequestOf(call: OutboundCall): ResourceRequest {
  const { model } = call;
  return {
    call,
    fnId: model.fnId,
    bytes: (model.memoryMb + model.tmpfsMb) * MIB,
    idleMs: model.idleTimeoutSeconds * 1000,
  };
}

/** Reports expire after this time, because others place calls there as well. Milliseconds. */
const TRUSTED_MS = 2_000;

/**
 * Estimates the memory that a runner has left for new containers, from its last report and the calls offered since. The runner
 * decides; the estimate avoids wasted attempts and is never a reason to fail a call.
 */
export class CapacityEstimate {
  private leftBytes: number | undefined;
  private totalBytes: number | undefined;
  /** Memory of the calls in flight. A runner counts memory only when it creates a container. */
  private reservedBytes = 0;
  private readonly reserved = new TurnoverMap<OutboundCall, number>();
  private reportedAt = LONG_AGO;

  onLoadReport(load: LoadReport, now: MonoMs): void {
    const { memoryTotalBytes, memoryUsedBytes, memoryIdleBytes = 0 } = load;
    // For a runner that does not know its memory there is nothing to estimate.
    this.totalBytes = memoryTotalBytes > 0 ? memoryTotalBytes : undefined;
    this.leftBytes = this.totalBytes && this.totalBytes - memoryUsedBytes + memoryIdleBytes;
    this.reportedAt = now;
  }

  /** Reserves memory for a call that is offered. */
  reserve({ call, bytes }: ResourceRequest): void {
    this.reserved.set(call, bytes);
    this.reservedBytes += bytes;
    if (this.leftBytes !== undefined) this.leftBytes -= bytes;
  }

  /** Releases a call that has ended. Idempotent, because its report and its outcome arrive in either order. */
  release(call: OutboundCall): void {
    this.reservedBytes -= this.reserved.get(call) ?? 0;
    this.reserved.delete(call);
  }

  fits(bytes: number, now: MonoMs): boolean {
    if (this.leftBytes === undefined || this.totalBytes === undefined || now >= this.trustedUntil) return true;
    return bytes <= Math.min(this.leftBytes, this.totalBytes - this.reservedBytes);
  }

  /** When the last report expires. */
  get trustedUntil(): MonoMs {
    return later(this.reportedAt, TRUSTED_MS);
  }

  forget(): void {
    this.leftBytes = undefined;
  }
}
