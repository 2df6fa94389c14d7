import {
  type Call,
  checkHeaders,
  encodeQueuedRequest,
  FnError,
  type TraceContext,
  traceParentOf,
  type WallMs,
} from '@fnfleet/core';
import type { MessageQueue, NewMessage, PushAnswer } from '@fnfleet/queue';

/** Puts asynchronous calls into a queue: what those who accept them need. */
export interface EnqueueAccess {
  /**
   * Accepts a call; resolves when it is on disk.
   * @throws FnError `asyncUnsupported` if there is no queue, `queueUnavailable` if none has confirmed, or the error of a queue
   */
  enqueue(message: NewMessage): Promise<PushAnswer>;
}

/** Takes asynchronous calls from queues: what those who run them need. */
export interface DequeueAccess {
  /** From where to take calls; most of them may have none now, and say so by an error. */
  sources(): readonly CallSource[];
}

/** Leases calls, and is told how they ended. */
export type CallSource = Pick<MessageQueue, 'reserve' | 'extend' | 'complete' | 'retry' | 'giveBack' | 'bury'>;

/** The queues that a balancer knows: those of the API nodes, or one of its own process. */
export interface CallQueues extends EnqueueAccess, DequeueAccess {}

/** A queue of this process, which the caller opens and closes; or a function that opens it, called for every operation. */
export type OpenedQueue = MessageQueue | (() => Promise<MessageQueue>);

/** Puts calls into a queue of this process. */
export function newDirectEnqueueAccess(queue: OpenedQueue): EnqueueAccess {
  const open = openerOf(queue);
  return { enqueue: async (message) => (await open()).push(message) };
}

/** Takes calls from a queue of this process. */
export function newDirectDequeueAccess(queue: OpenedQueue): DequeueAccess {
  const open = openerOf(queue);
  const source: CallSource = {
    reserve: async (request, signal) => (await open()).reserve(request, signal),
    extend: async (lease, leaseMs) => (await open()).extend(lease, leaseMs),
    complete: async (lease, result) => (await open()).complete(lease, result),
    retry: async (lease, failure) => (await open()).retry(lease, failure),
    giveBack: async (lease, restMs) => (await open()).giveBack(lease, restMs),
    bury: async (lease, reason) => (await open()).bury(lease, reason),
  };
  const sources = [source];
  return { sources: () => sources };
}

/** For a balancer without a queue: each call is refused with `asyncUnsupported`. */
export function newUnsupportedAsyncEnqueueAccess(): EnqueueAccess {
  return { enqueue: () => Promise.reject(new FnError('asyncUnsupported')) };
}

/** What a function is to see of an asynchronous call, and whose it is. */
export interface AsyncRequest extends Pick<Call, 'id' | 'fnId' | 'method' | 'url' | 'headers'> {
  /** Empty for a direct call. */
  readonly triggerId?: string;
  readonly createdAt: WallMs;
  /** What runs the call is linked to it. */
  readonly trace?: TraceContext | undefined;
}

/**
 * The message of a call for `enqueue`. Everything else of the call is that of its function when it runs.
 * @throws FnError `badRequest` when a header cannot be sent to a function
 */
export function asyncMessage(request: AsyncRequest, body: Uint8Array): NewMessage {
  const { id, fnId, method, url, headers, triggerId = '', createdAt } = request;
  checkHeaders(headers);
  const trace = request.trace && traceParentOf(request.trace);
  return { callId: id, fnId, head: encodeQueuedRequest({ method, url, headers, triggerId, createdAt, trace }), body };
}

function openerOf(queue: OpenedQueue): () => Promise<MessageQueue> {
  return typeof queue === 'function' ? queue : async () => queue;
}
