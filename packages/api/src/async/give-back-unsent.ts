import type { ServerResponse } from 'node:http';
import type { Lease, MessageQueue } from '@fnfleet/queue';

/**
 * Call this before the answer with these calls is sent. If whoever asked for them leaves before all of it is sent, they are given back:
 * nobody else would get them before their leases expire.
 */
export function giveBackUnsent(res: ServerResponse, queue: MessageQueue, leases: readonly Lease[]): void {
  if (leases.length === 0) return;
  const onClose = () => {
    if (!res.writableFinished) void giveAllBack(queue, leases);
  };
  if (res.closed) onClose();
  else res.once('close', onClose);
}

/** If that fails, they expire. */
export async function giveAllBack(queue: MessageQueue, leases: readonly Lease[]): Promise<void> {
  await Promise.allSettled(leases.map((lease) => queue.giveBack(lease)));
}
