import { formatDateSeconds, hasTrace, isHopByHop, textToHeader, traceHeaders, type WallMs } from '@fnfleet/core';
import type { AgentCall } from './agent-call.js';

/** Set by the transport, or meant for whoever stood before us; a function never sees the caller's. */
const NOT_FORWARDED: ReadonlySet<string> = new Set(['Host', 'Content-Length', 'Expect', 'Fn-Call-Id', 'Fn-Deadline']);

/** What the caller said of the trace would put the function's part beside that of the fleet, not below it. */
const TRACE_HEADERS: ReadonlySet<string> = new Set([
  ...['Traceparent', 'Tracestate', 'B3'],
  ...['X-B3-Traceid', 'X-B3-Spanid', 'X-B3-Parentspanid', 'X-B3-Sampled', 'X-B3-Flags'],
]);

/** The headers of `POST /call`: the call's own, less those of a connection, then id and deadline. Names and values in turn. */
export function requestHeaders(call: AgentCall, deadline: WallMs): string[] {
  const headers = call.model.headers;
  const list: string[] = [];
  const ownTrace = hasTrace(call.trace) ? Object.entries(traceHeaders(call.trace)) : [];
  for (const name in headers) {
    const values = headers[name] ?? [];
    if (NOT_FORWARDED.has(name) || isHopByHop(name, values[0] ?? '')) continue;
    if (ownTrace.length > 0 && TRACE_HEADERS.has(name)) continue;
    for (const value of values) list.push(name, textToHeader(value));
  }
  list.push('Fn-Call-Id', call.model.id, 'Fn-Deadline', formatDateSeconds(deadline));
  for (const header of ownTrace) list.push(...header);
  return list;
}
