import type { MessageQueue } from '@fnfleet/queue';

/** What a balancer needs of a queue, to accept calls and to run them. */
export type CallQueue = Pick<MessageQueue, 'push' | 'reserve' | 'extend' | 'complete' | 'retry' | 'giveBack' | 'bury'>;

/** The queues of asynchronous calls that a balancer knows: those of the API nodes, or that of its own process. */
export interface CallQueues {
  /**
   * Accepts a call; resolves when it is on disk.
   * @throws FnError `asyncUnsupported` if there is no queue, `queueUnavailable` if none has confirmed, or the error of a queue
   */
  push: MessageQueue['push'];
  /**
   * From where to take calls; most of them may have none now, and say so by an error. A reservation whose signal aborts may still
   * return calls, which are then the caller's.
   */
  sources(): readonly Omit<CallQueue, 'push'>[];
}

/** A queue of this process. */
export function localQueue(open: () => Promise<MessageQueue>): CallQueues {
  const source: CallQueue = {
    push: async (message) => (await open()).push(message),
    reserve: async (request, signal) => (await open()).reserve(request, signal),
    extend: async (lease, leaseMs) => (await open()).extend(lease, leaseMs),
    complete: async (lease, result) => (await open()).complete(lease, result),
    retry: async (lease, failure) => (await open()).retry(lease, failure),
    giveBack: async (lease, restMs) => (await open()).giveBack(lease, restMs),
    bury: async (lease, reason) => (await open()).bury(lease, reason),
  };
  return { push: (message) => source.push(message), sources: () => [source] };
}
