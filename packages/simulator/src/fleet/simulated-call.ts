import { type Call, type WallMs, wallMs } from '@fnfleet/core';
import type { OutboundCall } from '@fnfleet/protocol';
import type { FunctionProfile } from '../workloads/workload.js';

/** A call without content, which only has an execution time and records what happens to it. */
export class SimulatedCall implements OutboundCall {
  readonly slotHash = '';
  readonly extensions = NOTHING;
  readonly body = NO_BODY;
  readonly response = NO_RESPONSE;
  readonly model: Call;
  engagements = 0;
  refusals = 0;
  /** Whether a container was started for it. */
  cold = false;

  constructor(
    profile: FunctionProfile,
    readonly index: number,
    readonly arrivedAtMs: number,
    readonly execMs: number,
    readonly initMs: number,
  ) {
    this.model = callOf(profile, index, wallMs(arrivedAtMs));
  }

  get memoryMb(): number {
    return this.model.memoryMb;
  }

  addExecution(): void {}
}

const NOTHING: Readonly<Record<string, never>> = Object.freeze({});
const NO_BYTES = Buffer.alloc(0);
const NO_BODY: OutboundCall['body'] = {
  replayable: true,
  open: () => ({ read: () => ({ data: NO_BYTES, last: true }), onReadable: undefined, close: () => undefined }),
  commit: () => undefined,
};
const NO_RESPONSE: OutboundCall['response'] = {
  writeHead: () => undefined,
  write: () => true,
  onDrain: () => undefined,
};

function callOf({ fnId, appId, memoryMb }: FunctionProfile, index: number, createdAt: WallMs): Call {
  return {
    id: String(index),
    image: 'simulated',
    type: 'sync',
    fnId,
    appId,
    appName: appId,
    triggerId: '',
    method: 'POST',
    url: '',
    headers: NOTHING,
    config: NOTHING,
    annotations: NOTHING,
    syslogUrl: '',
    timeoutSeconds: 30,
    idleTimeoutSeconds: 30,
    memoryMb,
    tmpfsMb: 0,
    cpuMillis: 0,
    status: 'queued',
    createdAt,
    startedAt: undefined,
    completedAt: undefined,
  };
}

/**
 * A signal that never aborts, shared by all calls. It ignores listeners, because a million calls would add and remove
 * theirs.
 */
export const neverAborted: AbortSignal = Object.defineProperties(new AbortController().signal, {
  addEventListener: { value: () => undefined },
  removeEventListener: { value: () => undefined },
});
