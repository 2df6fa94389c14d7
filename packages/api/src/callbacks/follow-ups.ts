import {
  type Callbacks,
  type CallbackTarget,
  decodeQueuedRequest,
  encodeQueuedRequest,
  FnError,
  parseBody,
  type WallMs,
} from '@fnfleet/core';
import type { FollowUp, NewMessage, RetryPolicy } from '@fnfleet/queue';

/** In the lane of deliveries, functions have names of their own, because a function is in one lane only. */
const PREFIX = 'callback:';
/** The queue names what follows a call after it: `<call id>.success.1`. */
const AFTER_DOT = '/';
/** Half of the pauses in between is random. With 12 attempts: up to three hours in all. */
const BACKOFF = { backoffMs: 5_000, maxBackoffMs: 6 * 3_600_000 };

/** What is delivered: the outcome of a call to a target. */
export interface Callback {
  readonly callId: string;
  readonly fnId: string;
  readonly outcome: 'success' | 'error';
  readonly target: CallbackTarget;
  /** How many callbacks led to the call, without this one. */
  readonly hops: number;
}

/** What the queue does when a call of a function with callbacks has ended. */
export function followUps(
  { onSuccess, onFailure }: Callbacks,
  call: { readonly callId: string; readonly fnId: string; readonly hops: number; readonly now: WallMs },
  attempts: number,
): Pick<NewMessage, 'onSuccess' | 'onFailure'> {
  const { callId, fnId, hops, now } = call;
  const policy: RetryPolicy = { attempts, ...BACKOFF, retryOn: ['timeout', 'function'] };
  const followUp = (target: CallbackTarget | undefined, outcome: Callback['outcome']): FollowUp | undefined =>
    target && {
      lane: 'deliveries',
      fnId: PREFIX + fnId,
      head: encodeCallback({ callId, fnId, outcome, target, hops }, now),
      policy,
    };
  return { onSuccess: followUp(onSuccess, 'success'), onFailure: followUp(onFailure, 'error') };
}

/** Reads like a request, so that a dead letter shows what was to be sent where. */
function encodeCallback({ callId, fnId, outcome, target, hops }: Callback, now: WallMs): string {
  const url = target.kind === 'url' ? target.url : `/invoke/${target.fnId}`;
  const request = encodeQueuedRequest({ method: 'POST', url, headers: {}, triggerId: '', createdAt: now, hops });
  const fields = { call_id: callId, fn_id: fnId, outcome, to_fn_id: target.kind === 'fn' ? target.fnId : undefined };
  return JSON.stringify({ ...JSON.parse(request), ...fields });
}

/** @throws FnError `invalidJson` */
export function decodeCallback(json: string): Callback {
  const { url, hops = 0 } = decodeQueuedRequest(json);
  const fields = parseBody(json);
  const callId = fields.text('call_id');
  const fnId = fields.text('fn_id');
  const toFnId = fields.text('to_fn_id');
  if (!callId || !fnId) throw new FnError('invalidJson');
  return {
    callId,
    fnId,
    outcome: fields.text('outcome') === 'success' ? 'success' : 'error',
    target: toFnId ? { kind: 'fn', fnId: toFnId } : { kind: 'url', url },
    hops,
  };
}

/** The function whose call was delivered; undefined if the id is that of a function. */
export function fnOfDelivery(fnId: string): string | undefined {
  return fnId.startsWith(PREFIX) ? fnId.slice(PREFIX.length) : undefined;
}

/** The function under which the queue has the deliveries of calls of a function. */
export function deliveriesOf(fnId: string): string {
  return PREFIX + fnId;
}

/** Selects what follows a call, newest first, from the deliveries of its function. */
export function deliveriesAfter(callId: string): {
  readonly cursor: string;
  readonly isOne: (id: string) => boolean;
} {
  return { cursor: callId + AFTER_DOT, isOne: (id) => id.startsWith(`${callId}.`) };
}

/** The id of a delivery as receivers see it; the same for each attempt. The signature allows no dot. */
export function webhookId(deliveryId: string): string {
  return deliveryId.replaceAll('.', '_');
}
