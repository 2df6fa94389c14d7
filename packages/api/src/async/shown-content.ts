import { decodeQueuedRequest, decodeQueuedResponse, KIB } from '@fnfleet/core';
import type { KeptResult, Payload } from '@fnfleet/queue';

/** Maximum bytes shown of the body of a request. */
const MAX_SHOWN_BYTES = 64 * KIB;

/** The response of a function, as it is shown and delivered. */
export function resultOf({ head, body, bodyBytes }: KeptResult): object {
  const { status, headers, size } = decodeQueuedResponse(head);
  return { status, headers, ...inJson(Buffer.from(body)), size: Math.max(size, bodyBytes) };
}

/** The request of a caller, as it is shown. */
export function requestOf({ head, body }: Payload): object {
  const { method, url, headers } = decodeQueuedRequest(head);
  return { method, url, headers, ...inJson(Buffer.from(body).subarray(0, MAX_SHOWN_BYTES)), size: body.length };
}

/** Bytes that are not UTF-8 would be lost in JSON. */
function inJson(bytes: Buffer): { readonly encoding: string; readonly body: string } {
  const text = bytes.toString();
  const isText = Buffer.from(text).equals(bytes);
  return { encoding: isText ? 'utf8' : 'base64', body: isText ? text : bytes.toString('base64') };
}
