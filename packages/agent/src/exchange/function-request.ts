import {
  FnError,
  formatDateSeconds,
  hasTrace,
  isHopByHop,
  textToHeader,
  traceHeaders,
  type WallMs,
} from '@fnfleet/core';
import type { AgentCall } from '../call/agent-call.js';

/** Set by the transport, or meant for whoever stood before us; a function never sees the caller's. */
const NOT_FORWARDED: ReadonlySet<string> = new Set(['Host', 'Content-Length', 'Expect', 'Fn-Call-Id', 'Fn-Deadline']);

/** What the caller said of the trace would put the function's part beside that of the fleet, not below it. */
const TRACE_HEADERS: ReadonlySet<string> = new Set([
  ...['Traceparent', 'Tracestate', 'B3'],
  ...['X-B3-Traceid', 'X-B3-Spanid', 'X-B3-Parentspanid', 'X-B3-Sampled', 'X-B3-Flags'],
]);

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** What a header's value cannot hold: control characters, of which CR and LF would begin another header. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what it looks for
const FORBIDDEN = /[\0-\x08\x0a-\x1f\x7f]|[^\0-\xff]/;

/**
 * The head of `POST /call` up to its `framing`, one character a byte: the call's own headers, less those of a connection, then
 * its id.
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
    if (!TOKEN.test(name)) throw badHeader(name);
    for (const value of values) head += header(name, textToHeader(value));
  }
  head += header('Fn-Call-Id', call.model.id);
  for (const name in ownTrace) head += header(name, ownTrace[name] ?? '');
  return head;
}

/** The longest that `framing` makes. */
export const MAX_FRAMING_BYTES = 96;

/**
 * The end of a head.
 * @param length of the body; undefined: it is sent in chunks
 */
export function framing(deadline: WallMs, length?: number): string {
  const head = `Fn-Deadline: ${formatDateSeconds(deadline)}\r\n`;
  return length === undefined
    ? `${head}Transfer-Encoding: chunked\r\n\r\n`
    : `${head}Content-Length: ${length}\r\n\r\n`;
}

function header(name: string, value: string): string {
  if (FORBIDDEN.test(value)) throw badHeader(name);
  return `${name}: ${value}\r\n`;
}

function badHeader(name: string): FnError {
  return new FnError('badRequest', { params: { reason: `header ${JSON.stringify(name)} cannot be sent over HTTP` } });
}
