import type { Call } from '@fnfleet/core';
import type { OutboundCall } from '@fnfleet/protocol';

/** A call without a body, for tests of placement. */
export function aCall(parts: { fnId?: string; type?: Call['type']; replayable?: boolean } = {}): OutboundCall {
  return {
    model: { id: 'call-1', fnId: parts.fnId ?? 'fn1', type: parts.type ?? 'sync', image: 'img' } as Call,
    slotHash: '',
    extensions: {},
    body: {
      replayable: parts.replayable ?? true,
      open: () => ({
        read: () => ({ data: Buffer.alloc(0), last: true }),
        onReadable: undefined,
        close: () => undefined,
      }),
      commit: () => undefined,
    },
    response: { writeHead: () => undefined, write: () => true, onDrain: () => undefined },
    addExecution: () => undefined,
  };
}
