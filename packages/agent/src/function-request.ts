import { formatDateSeconds, isHopByHop } from '@fnfleet/core';
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
    for (const value of values) list.push(name, onTheWire(value));
  }
  list.push('Fn-Call-Id', call.model.id, 'Fn-Deadline', formatDateSeconds(deadlineAt));
  return list;
}

/** HTTP carries bytes; text beyond ASCII goes as UTF-8. */
function onTheWire(value: string): string {
  return isAscii(value) ? value : Buffer.from(value, 'utf8').toString('latin1');
}

function isAscii(value: string): boolean {
  for (let i = 0; i < value.length; i += 1) if (value.charCodeAt(i) > 127) return false;
  return true;
}
