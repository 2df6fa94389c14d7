import {
  formatDateSeconds,
  hasTrace,
  headerUnsendable,
  isHeaderName,
  isHeaderValue,
  isHopByHop,
  textToHeader,
  traceHeaders,
  type WallMs,
} from '@fnfleet/core';
import type { AgentCall } from '../call/agent-call.js';

/** Set by the transport, or meant for the previous hop. The function never sees the values of the caller. */
const NOT_FORWARDED: ReadonlySet<string> = new Set(['Host', 'Content-Length', 'Expect', 'Fn-Call-Id', 'Fn-Deadline']);

/** Not forwarded when the fleet has its own span: the function's span would become its sibling instead of its child. */
const TRACE_HEADERS: ReadonlySet<string> = new Set([
  ...['Traceparent', 'Tracestate', 'B3'],
  ...['X-B3-Traceid', 'X-B3-Spanid', 'X-B3-Parentspanid', 'X-B3-Sampled', 'X-B3-Flags'],
]);

/**
 * The head of `POST /call` up to its `framing`, one character per byte: the headers of the call without hop-by-hop headers,
 * then its id.
 * @throws FnError `badRequest` when a header of the call cannot travel over HTTP
 */
export function requestHead(call: AgentCall): string {
  const { headers } = call.model;
  let head = 'POST /call HTTP/1.1\r\nHost: localhost\r\n';
  const ownTrace = hasTrace(call.trace) ? traceHeaders(call.trace) : undefined;
  for (const name in headers) {
    const values = headers[name] ?? [];
    if (NOT_FORWARDED.has(name) || isHopByHop(name, values[0] ?? '')) continue;
    if (ownTrace !== undefined && TRACE_HEADERS.has(name)) continue;
    if (!isHeaderName(name)) throw headerUnsendable(name);
    for (const value of values) head += header(name, textToHeader(value));
  }
  head += header('Fn-Call-Id', textToHeader(call.model.id));
  for (const name in ownTrace) head += header(name, ownTrace[name] ?? '');
  return head;
}

/** The maximum length of `framing`. */
export const MAX_FRAMING_BYTES = 96;

/**
 * The end of a head.
 * @param length of the body; undefined if it is sent in chunks
 */
export function framing(deadline: WallMs, length?: number): string {
  const head = `Fn-Deadline: ${formatDateSeconds(deadline)}\r\n`;
  return length === undefined
    ? `${head}Transfer-Encoding: chunked\r\n\r\n`
    : `${head}Content-Length: ${length}\r\n\r\n`;
}

function header(name: string, value: string): string {
  if (!isHeaderValue(value)) throw headerUnsendable(name);
  return `${name}: ${value}\r\n`;
}
