import { MIB } from '@fnfleet/core';
import type { OutboundCall } from '@fnfleet/protocol';

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
