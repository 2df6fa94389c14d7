import { createHash } from 'node:crypto';
import {
  decodeQueuedRequest,
  decodeQueuedResponse,
  encodeId,
  encodeQueuedRequest,
  epochMs,
  formatDate,
  type HeaderMap,
  printableLine,
  type WallMs,
} from '@fnfleet/core';
import type { CallRecord, KeptResult, NewMessage, Payload } from '@fnfleet/queue';
import { resultOf } from '../async/shown-content.js';
import type { Callback } from './follow-ups.js';

/** Maximum characters of a header about the call. */
const MAX_HEADER = 500;

/** What the queue knows of a call that has ended. It may have forgotten it. */
export interface EndedCall {
  readonly record: CallRecord | undefined;
  readonly result: KeptResult | undefined;
  /** Of its caller; only of a dead letter. */
  readonly request: Payload | undefined;
}

/** The body of a callback to a URL, in the form that Standard Webhooks recommends. */
export function callbackJson({ callId, fnId, outcome }: Callback, { record, result }: EndedCall, now: WallMs): Buffer {
  const date = (at: WallMs | undefined) => at && formatDate(at);
  const json = {
    type: outcome === 'success' ? 'call.succeeded' : 'call.failed',
    timestamp: formatDate(record?.endedAt ?? now),
    data: {
      call_id: callId,
      fn_id: fnId,
      status: outcome,
      attempts: record?.attempts,
      created_at: date(record?.acceptedAt),
      started_at: date(record?.startedAt),
      completed_at: date(record?.endedAt),
      error: record?.reason?.message,
      error_code: record?.reason?.code,
      result: result && resultOf(result),
    },
  };
  return Buffer.from(JSON.stringify(json));
}

/**
 * The call of the function that receives an outcome: its body is that of the response, or of the request that failed.
 * @param deliveryId determines the id of the call, so that pushing it again has no effect
 */
export function callbackCall(
  deliveryId: string,
  toFnId: string,
  { callId, fnId, outcome, hops }: Callback,
  { record, result, request }: EndedCall,
  now: WallMs,
): NewMessage {
  const response = result && decodeQueuedResponse(result.head);
  const headersOfBody = response?.headers ?? (request && decodeQueuedRequest(request.head).headers) ?? {};
  const body = result?.body ?? request?.body ?? Buffer.alloc(0);
  const size = response === undefined ? body.length : Math.max(response.size, result?.bodyBytes ?? 0);
  const told: Record<string, string | undefined> = {
    'Fn-Callback-Status': outcome,
    'Fn-Callback-Call-Id': callId,
    'Fn-Callback-Fn-Id': fnId,
    'Fn-Callback-Attempts': record && String(record.attempts),
    'Fn-Callback-Response-Status': response && String(response.status),
    'Fn-Callback-Body-Size': size > body.length ? String(size) : undefined,
    'Fn-Callback-Error-Code': record?.reason?.code,
    'Fn-Callback-Error': record?.reason?.message,
  };
  const headers: Record<string, string[]> = { ...contentHeaders(headersOfBody) };
  for (const [name, value] of Object.entries(told))
    if (value !== undefined) headers[name] = [printableLine(value, MAX_HEADER)];
  const createdAt = record?.endedAt ?? now;
  return {
    callId: idOfCall(deliveryId, createdAt),
    fnId: toFnId,
    head: encodeQueuedRequest({
      method: 'POST',
      url: `/invoke/${toFnId}`,
      headers,
      triggerId: '',
      createdAt,
      hops: hops + 1,
    }),
    body,
  };
}

/** Those that say how to read a body; all others were meant for somebody else. */
function contentHeaders(headers: HeaderMap): Record<string, string[]> {
  const known = Object.entries(headers).filter(([name]) => /^content-(type|encoding|language)$/i.test(name));
  return Object.fromEntries(known.map(([name, values]) => [name, [...values]]));
}

/** Of the end of the call and of the delivery, so that it is among the newest. */
function idOfCall(deliveryId: string, at: WallMs): string {
  const hash = createHash('sha256').update(deliveryId).digest();
  return encodeId(epochMs(at), [...hash.subarray(0, 4)].join('.'), hash.readUInt16BE(4), hash.readUInt32BE(6));
}
