import { CallTemplate, parseApp, parseFn } from '@fnfleet/core';
import type { CallRecord, MessageQueue, RetryPolicy } from '@fnfleet/queue';
import { eventually } from '@fnfleet/testing';
import { newDirectDequeueAccess, newDirectEnqueueAccess } from '../async/call-queues.js';
import type { LbCallDraft, LbCallOption } from '../call/call-options.js';
import type { LbCall } from '../call/lb-call.js';

/** For a fleet that accepts calls into this queue and runs them. @param policy of each call */
export function queuesOf(queue: MessageQueue, policy?: RetryPolicy) {
  const { enqueue } = newDirectEnqueueAccess(queue);
  return {
    ...newDirectDequeueAccess(queue),
    enqueue: (message: Parameters<typeof enqueue>[0]) => enqueue(policy ? { ...message, policy } : message),
  };
}

/** Resolves with what the queue knows of a call, once that is so. */
export function untilRecord(
  queue: MessageQueue,
  callId: string,
  isSo: (record: CallRecord) => boolean,
): Promise<CallRecord> {
  return eventually(async () => {
    const record = await queue.get(callId);
    if (record === undefined || !isSo(record)) throw new Error(`${callId} is ${record?.state}`);
    return record;
  });
}

export function untilEnded(queue: MessageQueue, callId: string): Promise<CallRecord> {
  return untilRecord(queue, callId, ({ endedAt }) => endedAt !== undefined);
}

/** The only function that a consumer of these tests looks up. */
export const CONSUMED = new CallTemplate(
  parseApp('{"id":"a","name":"shop"}'),
  parseFn('{"id":"f","name":"cart","app_id":"a","image":"i"}'),
);

/**
 * The agent of a consumer. Each call is answered 200 at once, and ends when `run` does.
 * @param waiting calls of clients that wait for a runner
 */
export function consumerAgent(run: (call: LbCall) => Promise<void>, waiting: () => number) {
  return {
    async getCall(...options: LbCallOption[]) {
      const draft = {} as LbCallDraft;
      for (const option of options) option(draft);
      return draft as unknown as LbCall;
    },
    submit(call: LbCall) {
      call.response.writeHead(200, []);
      return run(call);
    },
    fleetStatus: () => ({
      ...{ waiting: waiting(), inFlight: 0, pool: undefined, cordons: [], troubles: [], runners: [] },
    }),
  };
}
