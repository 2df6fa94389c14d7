import type { ServerResponse } from 'node:http';
import {
  checkHeaders,
  decodeFrames,
  decodeQueuedRequest,
  encodeFrames,
  FnError,
  type Frame,
  KIB,
  MAX_WAIT_SECONDS,
  MIB,
  parseBody,
  TurnoverMap,
} from '@fnfleet/core';
import { type HeldBodies, type RouteHandler, sendEmpty, sendJson } from '@fnfleet/http';
import {
  type Delivery,
  type FailureKind,
  type Lease,
  MAX_HELD,
  type MessageQueue,
  type NewMessage,
  type ReserveRequest,
} from '@fnfleet/queue';
import { giveAllBack, giveBackUnsent } from './give-back-unsent.js';
import type { QueueAccess } from './queue-access.js';

type QueueOperation = 'acceptCall' | 'reserveCalls' | 'settleCalls';
type Fields = ReturnType<typeof parseBody>;

/** In addition to the body of a call: its head, and what surrounds them. */
export const HEAD_ROOM_BYTES = 128 * 1024;
/** Heads take up to three times their length when they are sent, and a balancer reads 8 MiB. */
const MAX_RESERVE_BYTES = 2 * MIB;
const MAX_RESERVED = 1_000;
/** Of the request for a reservation: it may name many functions. */
const MAX_RESERVATION_BYTES = 512 * KIB;
const MAX_WAIT_MS = 30_000;
const LEASE_MS = { min: 1_000, max: 3_600_000 };
const MAX_REST_MS = 60_000;
const MAX_SETTLED = 1_000;
const MAX_SETTLE_BYTES = 16 * MIB;
const MAX_MS = Number.MAX_SAFE_INTEGER;
/** Balancers make them with 26 letters and digits. A dot is for what follows a call. */
const CALL_ID = /^[\w-]{1,64}$/;

const FAILURE_KINDS: readonly FailureKind[] = ['platform', 'timeout', 'function', 'caller'];

/** Bodies that the queue takes at a time. Neither those who wait for calls nor those who report their ends compete with calls. */
export interface QueueBodies {
  readonly calls: HeldBodies;
  readonly reservations: HeldBodies;
  readonly ends: HeldBodies;
}

/** Handlers with which balancers put calls into the queue, take them out and say how they ended. */
export function queueHandlers(
  access: QueueAccess,
  bodies: QueueBodies,
  maxBodyBytes: number,
): Record<QueueOperation, RouteHandler> {
  /** Reservations that wait, by the name that the balancer gave them. */
  const polls = new TurnoverMap<string, AbortController>();
  /** @returns undefined if this node has no queue to take them from */
  const lease = async (
    queue: MessageQueue,
    request: ReserveRequest,
    poll: string | undefined,
    res: ServerResponse,
  ): Promise<readonly Delivery[] | undefined> => {
    const left = new AbortController();
    const onLeft = () => left.abort();
    res.once('close', onLeft);
    if (poll !== undefined) polls.set(poll, left);
    try {
      return await queue
        .reserve(request, AbortSignal.any([left.signal, access.ending]))
        // Another node leads it.
        .catch(undefinedIfNone);
    } finally {
      res.off('close', onLeft);
      if (poll !== undefined && polls.get(poll) === left) polls.delete(poll);
    }
  };
  const reserve = async (json: string, res: ServerResponse): Promise<void> => {
    const fields = parseBody(json);
    const request = reservationOf(fields);
    const poll = fields.text('poll') || undefined;
    const queue = await access.open().catch(undefinedIfNone);
    const deliveries = queue && (await lease(queue, request, poll, res));
    if (queue === undefined || deliveries === undefined) return sendEmpty(res, 204);
    giveBackUnsent(res, queue, deliveries.map(leaseOf));
    sendFrames(res, deliveries.map(frameOf));
  };
  /** In one turn, so that they share a transaction. The ends come first in it. */
  const settleAndReserve = async (
    queue: MessageQueue,
    settlements: readonly Settlement[],
    request: ReserveRequest,
    res: ServerResponse,
  ): Promise<void> => {
    const settling = Promise.all(settlements.map((settle) => settle(queue)));
    const [settled, leased] = await Promise.allSettled([settling, lease(queue, request, undefined, res)]);
    const reserved = leased.status === 'fulfilled' && leased.value !== undefined;
    const deliveries = (reserved ? leased.value : undefined) ?? [];
    if (settled.status === 'rejected') {
      await giveAllBack(queue, deliveries.map(leaseOf));
      throw settled.reason;
    }
    giveBackUnsent(res, queue, deliveries.map(leaseOf));
    const said = { answers: settled.value, reserved };
    sendFrames(res, [{ head: JSON.stringify(said), body: new Uint8Array() }, ...deliveries.map(frameOf)]);
  };
  return {
    async acceptCall(req, res) {
      const queue = await access.open();
      await bodies.calls.during(req, { maxBytes: maxBodyBytes + HEAD_ROOM_BYTES }, async (body) => {
        const [frame] = decodeFrames(body, 1);
        if (frame === undefined) throw new FnError('badRequest', { params: { reason: 'a frame is missing' } });
        const { callId, duplicate } = await queue.push(messageOf(frame));
        sendJson(res, 200, { call_id: callId, duplicate });
      });
    },

    // What it names is held as long as it waits.
    reserveCalls: (req, res) =>
      bodies.reservations.during(req, { maxBytes: MAX_RESERVATION_BYTES }, (body) => reserve(body.toString(), res)),

    async settleCalls(req, res) {
      const queue = await access.open();
      await bodies.ends.during(req, { maxBytes: MAX_SETTLE_BYTES }, async (body) => {
        // Read all of them first: one that is malformed changes nothing.
        const said = decodeFrames(body, MAX_SETTLED).map((frame) => ({
          fields: parseBody(frame.head),
          body: frame.body,
        }));
        const settlements = said
          .filter((frame) => !isReservation(frame))
          .map((end) => settlementOf(end, (poll) => polls.get(poll)?.abort()));
        const [request, another] = said.filter(isReservation).map(({ fields }) => reservationOf(fields));
        if (another !== undefined) throw new FnError('invalidJson');
        if (request !== undefined) return settleAndReserve(queue, settlements, { ...request, waitMs: 0 }, res);
        const answers = await Promise.all(settlements.map((settle) => settle(queue)));
        sendJson(res, 200, { answers, reserves: true });
      });
    },
  };
}

/** A balancer asks every API node for calls, and most of them have no queue. */
function undefinedIfNone(error: unknown): undefined {
  if (error instanceof FnError && (error.code === 'queueUnavailable' || error.code === 'asyncUnsupported')) return;
  throw error;
}

/** What callers choose. What owners choose is added by the queue that is opened. */
function messageOf(frame: Frame): NewMessage {
  const fields = parseBody(frame.head);
  const callId = required(fields, 'call_id');
  const head = required(fields, 'head');
  checkCallId(callId);
  checkHeaders(decodeQueuedRequest(head).headers);
  return {
    callId,
    fnId: required(fields, 'fn_id'),
    head,
    body: frame.body,
    delayMs: fields.whole('delay_ms', 0, 1_000 * MAX_WAIT_SECONDS),
    idempotencyKey: fields.text('idempotency_key'),
  };
}

/** The id is sent to the function as a header, and stands in URLs and log lines. @throws FnError `badRequest` */
export function checkCallId(callId: string): void {
  if (CALL_ID.test(callId)) return;
  throw new FnError('badRequest', {
    params: { reason: 'the id of a call should be 1 to 64 letters, digits, _ and -' },
  });
}

/** A list of pairs: the id of a function, and how many calls of it the balancer has. */
function heldOf(pairs: unknown): ReadonlyMap<string, number> | undefined {
  if (pairs === undefined) return undefined;
  const isPair = (pair: unknown) => Array.isArray(pair) && typeof pair[0] === 'string' && Number.isInteger(pair[1]);
  if (!Array.isArray(pairs) || pairs.length > MAX_HELD || !pairs.every(isPair)) throw new FnError('invalidJson');
  return new Map(pairs);
}

function reservationOf(fields: Fields): ReserveRequest {
  return {
    holder: required(fields, 'holder'),
    limit: fields.whole('limit', 1, MAX_RESERVED) ?? 1,
    maxBytes: MAX_RESERVE_BYTES,
    leaseMs: fields.whole('lease_ms', LEASE_MS.min, LEASE_MS.max) ?? 60_000,
    waitMs: fields.whole('wait_ms', 0, MAX_WAIT_MS) ?? 0,
    perFunction: fields.whole('per_function', 1, MAX_MS),
    held: heldOf(fields.raw('held')),
  };
}

function leaseOf({ lease }: Delivery): Lease {
  return lease;
}

function frameOf({ lease, fnId, attempt, priority, ageMs, head, body }: Delivery): Frame {
  const { callId, token } = lease;
  return {
    head: JSON.stringify({ call_id: callId, token, fn_id: fnId, attempt, priority, age_ms: ageMs, head }),
    body,
  };
}

function sendFrames(res: ServerResponse, frames: readonly Frame[]): void {
  const bytes = encodeFrames(frames);
  res.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': bytes.length });
  res.end(bytes);
}

function isReservation({ fields }: { readonly fields: Fields }): boolean {
  return fields.text('kind') === 'reserve';
}

/** What to do with the queue; its answer goes to the consumer. */
type Settlement = (queue: MessageQueue) => Promise<object>;

function settlementOf(
  { fields, body }: { readonly fields: Fields; readonly body: Uint8Array },
  endPoll: (poll: string) => void,
): Settlement {
  if (fields.text('kind') === 'end_poll') {
    const poll = required(fields, 'poll');
    return async () => {
      endPoll(poll);
      return { kind: 'ended' };
    };
  }
  const lease: Lease = { callId: required(fields, 'call_id'), token: required(fields, 'token') };
  const what = () => ({ code: required(fields, 'code'), message: fields.text('message') ?? '' });
  switch (fields.text('kind')) {
    case 'extend': {
      const leaseMs = fields.whole('lease_ms', LEASE_MS.min, LEASE_MS.max) ?? 60_000;
      return (queue) => queue.extend(lease, leaseMs);
    }
    case 'complete': {
      const result = { head: fields.text('head') ?? '', body, log: fields.text('log') };
      return (queue) => queue.complete(lease, result);
    }
    case 'retry': {
      const kind = FAILURE_KINDS.find((known) => known === fields.text('blame'));
      if (kind === undefined) throw new FnError('invalidJson');
      const failure = { kind, ...what(), afterMs: fields.whole('after_ms', 0, MAX_MS), log: fields.text('log') };
      return (queue) => queue.retry(lease, failure);
    }
    case 'give_back': {
      const restMs = fields.whole('rest_ms', 0, MAX_REST_MS) ?? 0;
      return (queue) => queue.giveBack(lease, restMs);
    }
    case 'bury': {
      const reason = what();
      return (queue) => queue.bury(lease, reason);
    }
    default:
      throw new FnError('invalidJson');
  }
}

function required(fields: Fields, name: string): string {
  const value = fields.text(name);
  if (!value) throw new FnError('invalidJson');
  return value;
}
