import { Deferred } from '@fnfleet/core';
import type { OutboundCall } from '@fnfleet/protocol';
import type { ResourceRequest } from '../fleet/resource-request.js';
import type { RunnerState } from '../fleet/runner-state.js';

/** Why a call does not wait any more. */
export type WakeUp =
  /** The runner may have room; it is counted as offered to it already. */
  | { readonly kind: 'room'; readonly state: RunnerState }
  /** The runners have changed, or it is time to look at them again. */
  | { readonly kind: 'look' }
  /** Others go first: it is answered with this. */
  | { readonly kind: 'shed'; readonly error: Error }
  /** Its time is over, or its caller has gone. */
  | { readonly kind: 'over' };

/** One call that waits for a runner. */
export class WaitingCall {
  private readonly woken = new Deferred<WakeUp>();

  constructor(
    readonly call: OutboundCall,
    readonly request: ResourceRequest,
    /** What it keeps in memory of its body. */
    readonly bytes: number,
  ) {}

  get appId(): string {
    return this.call.model.appId;
  }

  get wakeUp(): Promise<WakeUp> {
    return this.woken.promise;
  }

  /** Whoever wakes it has taken it out of the queue. */
  wake(how: WakeUp): void {
    this.woken.resolve(how);
  }
}
