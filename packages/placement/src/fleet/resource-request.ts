import { MIB } from '@fnfleet/core';
import type { OutboundCall } from '@fnfleet/protocol';

/** What a call asks of a runner. */
export interface ResourceRequest {
  readonly call: OutboundCall;
  readonly fnId: string;
  /** Memory of a container for it. */
  readonly bytes: number;
  /** How long a container of the function stays when it is idle. */
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
