import type { Call } from '@fnfleet/core';
import type { OutboundCall } from '@fnfleet/protocol';

interface Parts {
  readonly appId?: string;
  readonly fnId?: string;
  readonly type?: Call['type'];
  readonly memoryMb?: number;
  readonly replayable?: boolean;
}

/** A call without a body, for tests of placement. */
export function aCall(parts: Parts = {}): OutboundCall {
  const { appId = 'app1', fnId = 'fn1', type = 'sync', memoryMb = 128 } = parts;
  return {
    model: { id: 'call-1', appId, fnId, type, image: 'img', memoryMb, tmpfsMb: 0, idleTimeoutSeconds: 30 } as Call,
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
