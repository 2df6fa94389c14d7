import type { IncomingMessage } from 'node:http';

const TOLERATED_BYTES = 256 * 1024;

/**
 * Reads what is left of a request that has been answered, so that its connection can carry the next one. A client that
 * has much more to say is cut off.
 */
export function discardRest(req: IncomingMessage): void {
  if (req.destroyed || (req.complete && req.readableLength === 0)) return;
  let left = TOLERATED_BYTES;
  req.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) req.destroy();
  });
  req.resume();
}
