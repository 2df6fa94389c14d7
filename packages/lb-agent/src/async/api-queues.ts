import { encodeFrames, parseBody } from '@fnfleet/core';
import type { NewMessage, PushAnswer } from '@fnfleet/queue';
import type { ApiNode } from '../lookup/api-node.js';
import { ApiQueue } from './api-queue.js';
import type { CallQueues, CallSource } from './call-queues.js';
import { QueueRequests, type QueueRequestsOptions } from './queue-requests.js';

/** How long a call is handed in at one node after the other before its caller is told that no node has confirmed. */
const PUSH_MS = 5_000;

/** The queues of the API nodes. A node that has none, or has not opened it, says so. */
export class ApiQueues implements CallQueues {
  private readonly requests: QueueRequests;
  private readonly queues = new WeakMap<ApiNode, ApiQueue>();
  /** The node that has confirmed last is asked first. */
  private confirmed: ApiNode | undefined;

  constructor(private readonly options: QueueRequestsOptions) {
    this.requests = new QueueRequests(options);
  }

  /** The same call may reach a node twice, which has no effect: its id says that it is the same. */
  async enqueue(message: NewMessage): Promise<PushAnswer> {
    const { callId, fnId, head, delayMs, idempotencyKey, body } = message;
    // The rest is decided where the call is accepted.
    const said = { call_id: callId, fn_id: fnId, head, delay_ms: delayMs, idempotency_key: idempotencyKey };
    const bytes = encodeFrames([{ head: JSON.stringify(said), body }]);
    const leave = this.requests.enter();
    try {
      const answer = await this.requests.untilAnswered(
        PUSH_MS,
        () => this.confirmed,
        async (node, silenceMs) => {
          const text = (await this.requests.post(node, 'calls', bytes, { isPush: true, silenceMs })).toString();
          this.confirmed = node;
          return parseBody(text);
        },
      );
      return { callId: answer.text('call_id') || callId, duplicate: answer.raw('duplicate') === true };
    } finally {
      leave();
    }
  }

  sources(): readonly CallSource[] {
    return this.requests.nodes.map((node) => this.of(node));
  }

  private of(node: ApiNode): ApiQueue {
    const known = this.queues.get(node);
    const queue = known ?? new ApiQueue(this.requests, node, this.options.clock);
    if (known === undefined) this.queues.set(node, queue);
    return queue;
  }

  /** Requests that are under way fail. */
  close(): Promise<void> {
    return this.requests.close();
  }
}
