import type { IncomingMessage } from 'node:http';
import {
  CallTemplate,
  type Clock,
  checkHeaders,
  decodeQueuedRequest,
  encodeCall,
  encodeQueuedRequest,
  encodeQueuedResponse,
  FnError,
  MAX_WAIT_SECONDS,
  parseBody,
  TurnoverMap,
} from '@fnfleet/core';
import { type RouteHandler, sendEmpty, sendJson } from '@fnfleet/http';
import type { Delivery, Lease, MessageQueue, Priority } from '@fnfleet/queue';
import type { Datastore } from '../datastore/datastore.js';
import { giveBackUnsent } from './give-back-unsent.js';
import type { QueueAccess } from './queue-access.js';
import { checkCallId, HEAD_ROOM_BYTES, type QueueBodies } from './queue-handlers.js';

type FnQueueOperation = 'enqueueFnCall' | 'dequeueFnCalls' | 'reportStart' | 'reportFinish';

/** A balancer of Fn has a call for this long before it must report its start. Milliseconds. */
const RESERVATION_MS = 60_000;
const LONG_POLL_MS = 30_000;
/** What is known of a call that a balancer of Fn runs. */
const NO_RESULT = { head: encodeQueuedResponse({ status: 0, headers: {}, size: 0 }), body: Buffer.alloc(0) };
/** Reservations that are remembered, so that their start can be reported. */
const MAX_RESERVATIONS = 10_000;

/**
 * The queue in the words of Fn 0.3.657. As there, a call leaves the queue when its start is reported, and is not run again
 * whatever becomes of it.
 */
export function fnQueueHandlers(
  access: QueueAccess,
  store: Datastore,
  limits: {
    readonly clock: Pick<Clock, 'wallNow'>;
    readonly bodies: QueueBodies;
    readonly maxBodyBytes: number;
    readonly maxReportBytes: number;
  },
): Record<FnQueueOperation, RouteHandler> {
  const { bodies } = limits;
  const reserved = new TurnoverMap<string, Lease>();
  const remember = (lease: Lease) => {
    const [oldest] = reserved.keys();
    if (reserved.size >= MAX_RESERVATIONS && oldest !== undefined) reserved.delete(oldest);
    reserved.set(lease.callId, lease);
  };
  /** Reads what is needed of a report. */
  const report = <T>(req: IncomingMessage, read: (fields: ReturnType<typeof parseBody>) => T): Promise<T> =>
    bodies.ends.during(req, { maxBytes: limits.maxReportBytes }, async (body) => read(parseBody(body.toString())));
  return {
    async enqueueFnCall(req, res) {
      const queue = await access.open();
      await bodies.calls.during(req, { maxBytes: limits.maxBodyBytes + HEAD_ROOM_BYTES }, async (body) => {
        const fields = parseBody(body.toString());
        const callId = fields.text('id');
        const fnId = fields.text('fn_id');
        if (!callId || !fnId) throw new FnError('invalidJson');
        checkCallId(callId);
        const headers = fields.headers('headers') ?? {};
        checkHeaders(headers);
        await queue.push({
          callId,
          fnId,
          head: encodeQueuedRequest({
            method: fields.text('method') ?? '',
            url: fields.text('url') ?? '',
            headers,
            triggerId: fields.text('trigger_id') ?? '',
            createdAt: fields.date('created_at') ?? limits.clock.wallNow(),
          }),
          body: Buffer.from(fields.text('payload') ?? ''),
          priority: fields.whole('priority', 0, 2) as Priority | undefined,
          delayMs: delayOf(fields.whole('delay', 0, 2 ** 31 - 1)),
        });
      });
      sendEmpty(res, 204);
    },

    async dequeueFnCalls(_req, res) {
      const queue = await access.open();
      const left = new AbortController();
      const onLeft = () => left.abort();
      res.once('close', onLeft);
      const [delivery] = await queue.reserve(
        { holder: 'fn', limit: 1, leaseMs: RESERVATION_MS, waitMs: LONG_POLL_MS },
        AbortSignal.any([left.signal, access.ending]),
      );
      res.off('close', onLeft);
      const call = delivery && (await fnCall(delivery, store, queue));
      if (call !== undefined && delivery !== undefined) {
        remember(delivery.lease);
        giveBackUnsent(res, queue, [delivery.lease]);
      }
      sendJson(res, 200, { calls: call === undefined ? [] : [call] });
    },

    async reportStart(req, res) {
      const callId = await report(req, (fields) => fields.text('id') ?? '');
      const queue = await access.open();
      const lease = reserved.get(callId);
      // The lease stays known: a balancer whose answer was lost reports the start again, and must get the same answer.
      const answer = lease === undefined ? undefined : await queue.complete(lease, NO_RESULT);
      // It may be running elsewhere, or will: the balancer must not run it.
      if (answer?.kind !== 'completed')
        throw new FnError('internal', { cause: new Error(`call ${callId} is not reserved`) });
      sendEmpty(res, 204);
    },

    async reportFinish(req, res) {
      // Balancers of Fn report every call here, and delay its response until this request is answered.
      await report(req, () => undefined);
      sendEmpty(res, 204);
    },
  };
}

/** Fn's balancers leave out a delay of 0. A longer one than allowed here is the longest. */
function delayOf(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : 1_000 * Math.min(seconds, MAX_WAIT_SECONDS);
}

/** @returns undefined if its function does not exist any more: then the call is dead */
async function fnCall(delivery: Delivery, store: Datastore, queue: MessageQueue): Promise<object | undefined> {
  const { lease, fnId, priority, body } = delivery;
  try {
    const { method, url, headers, triggerId, createdAt } = decodeQueuedRequest(delivery.head);
    const fn = await store.fns.get(fnId);
    const template = new CallTemplate(await store.apps.get(fn.appId), fn);
    const call = template.call({ id: lease.callId, type: 'async', method, url, headers, createdAt });
    const json = JSON.parse(encodeCall({ ...call, triggerId })) as object;
    return { ...json, priority, payload: Buffer.from(body).toString() };
  } catch (error) {
    if (error instanceof FnError && (error.code === 'fnNotFound' || error.code === 'appNotFound')) {
      await queue.bury(lease, { code: error.code, message: error.message });
      return undefined;
    }
    await queue.giveBack(lease);
    throw error;
  }
}
