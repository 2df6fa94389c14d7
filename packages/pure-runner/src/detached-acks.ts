import type { AgentCall, CallListener } from '@fnfleet/agent';
import { FnError, type ResponseWriter, TurnoverMap } from '@fnfleet/core';

/**
 * Acknowledges detached calls: not when they are queued but when a container is theirs and they are about to run.
 * As a call listener of the agent it learns of that moment.
 */
export class DetachedAcks implements CallListener {
  /** By the call itself: nobody promises that two balancers never give out the same id. */
  private readonly waiting = new TurnoverMap<AgentCall, () => void>();

  /** Calls that have not ended. */
  get size(): number {
    return this.waiting.size;
  }

  /** @returns what to call when the call has ended */
  expect(call: AgentCall, acknowledge: () => void): () => void {
    this.waiting.set(call, acknowledge);
    return () => this.waiting.delete(call);
  }

  beforeCall(call: AgentCall): void {
    if (call.model.type !== 'detached') return;
    const acknowledge = this.waiting.get(call);
    if (acknowledge === undefined) throw new FnError('callHandleNotFound');
    acknowledge();
  }
}

/** Where the answer of a detached call goes: nobody waits for it. */
export const droppedAnswer: ResponseWriter = {
  writeHead: () => undefined,
  write: () => true,
  onDrain: (callback) => callback(),
};
