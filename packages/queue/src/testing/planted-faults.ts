import { FnError } from '@fnfleet/core';
import type { Delivery, Lease, MessageQueue } from '../message-queue.js';

/** A queue that does some things wrong, for tests of the tests: the rest is done by the right one. */
function but(queue: MessageQueue, wrong: Partial<MessageQueue>): MessageQueue {
  const methods = wrong as Record<string | symbol, unknown>;
  return new Proxy(queue, {
    get(target, name) {
      const method = methods[name] ?? Reflect.get(target, name);
      return typeof method === 'function' ? method.bind(target) : method;
    },
  });
}

/** Does something after it has been acknowledged: a kill comes first. */
function soon(act: () => Promise<unknown>): void {
  setImmediate(() => setImmediate(() => void act().catch(() => undefined)));
}

/** Faults that a store may have, each with the promise that it breaks. */
export const PLANTED_FAULTS: Readonly<Record<string, (queue: MessageQueue) => MessageQueue>> = {
  'an outdated lease is accepted': (queue) => {
    const last = new Map<string, Lease>();
    return but(queue, {
      reserve: async (request) => {
        const found = await queue.reserve(request);
        for (const { lease } of found) last.set(lease.callId, lease);
        return found;
      },
      complete: (lease, result) => queue.complete(last.get(lease.callId) ?? lease, result),
    });
  },
  'a call is lost with its lease': (queue) =>
    but(queue, {
      reserve: async (request) => {
        const found = await queue.reserve(request);
        const again = found.filter(({ attempt }) => attempt > 1);
        for (const { lease } of again) await queue.cancel(lease.callId);
        return found.filter(({ attempt }) => attempt === 1);
      },
    }),
  'a completion is acknowledged before it is on disk': (queue) =>
    but(queue, {
      complete: async (lease, result) => {
        const { kind } = await queue.extend(lease, 60_000);
        if (kind === 'leaseLost') return await queue.complete(lease, result);
        soon(() => queue.complete(lease, result));
        return { kind: 'completed' };
      },
    }),
  'a call is accepted before it is on disk': (queue) =>
    but(queue, {
      push: async (message) => {
        soon(() => queue.push(message));
        return { callId: message.callId, duplicate: false };
      },
    }),
  'a call is delivered twice': (queue) => {
    let last: readonly Delivery[] = [];
    return but(queue, {
      reserve: async (request) => {
        const again = last;
        last = await queue.reserve(request);
        return [...again, ...last];
      },
    });
  },
  'a delay is ignored': (queue) => but(queue, { push: (message) => queue.push({ ...message, delayMs: 0 }) }),
  'attempts are not counted': (queue) =>
    but(queue, {
      reserve: async (request) => {
        const found = await queue.reserve(request);
        return found.map((delivery) => ({ ...delivery, attempt: 1 }));
      },
    }),
  'to give back counts as an attempt': (queue) =>
    but(queue, {
      giveBack: async (lease) => {
        const answer = await queue.retry(lease, { kind: 'platform', code: '', message: '' });
        return answer.kind === 'leaseLost' ? answer : { kind: 'givenBack' };
      },
    }),
  'failures of the platform count': (queue) =>
    but(queue, { retry: (lease, failure) => queue.retry(lease, { ...failure, kind: 'function' }) }),
  'an extension is forgotten': (queue) => but(queue, { extend: async () => ({ kind: 'extended' }) }),
  'a cancelled call goes on': (queue) => but(queue, { cancel: async () => ({ kind: 'cancelled' }) }),
  'the next attempt is earlier than announced': (queue) =>
    but(queue, {
      retry: async (lease, failure) => {
        const answer = await queue.retry(lease, failure);
        return answer.kind === 'retried' ? { ...answer, delayMs: answer.delayMs + 1_000 } : answer;
      },
    }),
  'a concurrency limit is ignored': (queue) =>
    but(queue, { push: (message) => queue.push({ ...message, limits: {} }) }),
  'a holder gets more calls of a function than it wants': (queue) =>
    but(queue, { reserve: (request) => queue.reserve({ ...request, perFunction: undefined }) }),
  'what a holder has is not counted': (queue) =>
    but(queue, { reserve: (request) => queue.reserve({ ...request, held: new Map() }) }),
  'an idempotency key is ignored': (queue) =>
    but(queue, { push: (message) => queue.push({ ...message, idempotencyKey: undefined }) }),
  'a function gets more idempotency keys than its share': (queue) =>
    but(queue, {
      push: (message) =>
        queue.push(message).catch((error: { readonly code?: string }) => {
          if (error.code !== 'queueShareFull') throw error;
          return queue.push({ ...message, idempotencyKey: undefined });
        }),
    }),
  'a function is refused although it has not its share of idempotency keys': (queue) =>
    but(queue, {
      push: async (message) => {
        if (message.idempotencyKey !== undefined && message.fnId === 'b') throw new FnError('queueShareFull');
        return await queue.push(message);
      },
    }),
  'a call is dead after its first failure': (queue) =>
    but(queue, {
      retry: async (lease, failure) => {
        const answer = await queue.bury(lease, failure);
        return answer.kind === 'leaseLost' ? answer : { kind: 'dead', reason: failure };
      },
    }),
};
