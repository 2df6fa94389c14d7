import { epochMs, type WallMs, wallMs } from '../clock.js';
import type { HeaderMap } from '../headers.js';
import { parseBody } from './body-json.js';

/** What the queue keeps of the request of an asynchronous call, beside its body. */
export interface QueuedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: HeaderMap;
  /** Empty for a direct call. */
  readonly triggerId: string;
  readonly createdAt: WallMs;
  /** The span that accepted the call, as in the header `traceparent`. */
  readonly trace?: string | undefined;
  /** How many callbacks led to this call; none if undefined. Not a header, because those are the caller's. */
  readonly hops?: number | undefined;
}

export function encodeQueuedRequest({ triggerId, createdAt, ...same }: QueuedRequest): string {
  return JSON.stringify({ ...same, trigger_id: triggerId || undefined, created_at: Math.max(0, epochMs(createdAt)) });
}

/** The end of the year 9999: later dates cannot be written in four digits. */
const MAX_DATE_MS = 253_402_300_799_999;

/** @throws FnError `invalidJson` */
export function decodeQueuedRequest(json: string): QueuedRequest {
  const fields = parseBody(json);
  return {
    method: fields.text('method') ?? '',
    url: fields.text('url') ?? '',
    headers: fields.headers('headers') ?? {},
    triggerId: fields.text('trigger_id') ?? '',
    createdAt: wallMs(fields.whole('created_at', 0, MAX_DATE_MS) ?? 0),
    trace: fields.text('trace'),
    hops: fields.whole('hops', 0, Number.MAX_SAFE_INTEGER),
  };
}

/** What the queue keeps of the response of an asynchronous call, beside its body. */
export interface QueuedResponse {
  /** 0 if it is not known: a balancer of Fn ran the call. */
  readonly status: number;
  readonly headers: HeaderMap;
  /** Bytes of the whole body, of which the queue keeps the first ones. */
  readonly size: number;
}

export function encodeQueuedResponse({ status, headers, size }: QueuedResponse): string {
  return JSON.stringify({ status, headers, size });
}

/** Reads what this process or another one has written. Anything else counts as an unknown response. */
export function decodeQueuedResponse(json: string): QueuedResponse {
  try {
    const fields = parseBody(json);
    const size = fields.whole('size', 0, Number.MAX_SAFE_INTEGER) ?? 0;
    return { status: fields.whole('status', 0, 999) ?? 0, headers: fields.headers('headers') ?? {}, size };
  } catch {
    return { status: 0, headers: {}, size: 0 };
  }
}
