import { formatDateSeconds, isHopByHop, textToHeader } from '@fnfleet/core';
import type { AgentCall } from './agent-call.js';

/** Set by the transport, or meant for whoever stood before us; a function never sees the caller's. */
const NOT_FORWARDED: ReadonlySet<string> = new Set(['Host', 'Content-Length', 'Expect', 'Fn-Call-Id', 'Fn-Deadline']);

/** The headers of `POST /call`: the call's own, less those of a connection, then id and deadline. Names and values in turn. */
export function requestHeaders(call: AgentCall, deadlineAt: number): string[] {
  const headers = call.model.headers;
  const list: string[] = [];
  for (const name in headers) {
    const values = headers[name] ?? [];
    if (NOT_FORWARDED.has(name) || isHopByHop(name, values[0] ?? '')) continue;
    for (const value of values) list.push(name, textToHeader(value));
  }
  list.push('Fn-Call-Id', call.model.id, 'Fn-Deadline', formatDateSeconds(deadlineAt));
  return list;
}
