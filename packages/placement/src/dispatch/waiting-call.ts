import { Deferred } from '@fnfleet/core';
import type { OutboundCall } from '@fnfleet/protocol';
import type { ResourceRequest } from '../fleet/resource-request.js';
import type { RunnerState } from '../fleet/runner-state.js';

/** Why a call stopped waiting. */
export type WakeUp =
  /** The runner may have capacity; the call is already counted as offered to it. */
  | { readonly kind: 'room'; readonly state: RunnerState }
  /** The runners have changed, or it is time to check them again. */
  | { readonly kind: 'look' }
  /** Rejected in favour of other calls, with this error. */
  | { readonly kind: 'shed'; readonly error: Error }
  /** Its time is over, or its caller has left. */
  | { readonly kind: 'over' };

/** A call that waits for a runner. */
export class WaitingCall {
  private readonly woken = new Deferred<WakeUp>();

  constructor(
    readonly call: OutboundCall,
    readonly request: ResourceRequest,
    /** Bytes of its body that it keeps in memory. */
    readonly bytes: number,
  ) {}

  get appId(): string {
    return this.call.model.appId;
  }

  get wakeUp(): Promise<WakeUp> {
    return this.woken.promise;
  }

  /** The caller has already removed it from the queue. */
  wake(how: WakeUp): void {
    this.woken.resolve(how);
  }
}
