import type { IncomingMessage } from 'node:http';
import { MIB, systemClock } from '@fnfleet/core';

const TOLERATED_BYTES = 8 * MIB;
const TOLERATED_MS = 5_000;

/**
 * Reads what is left of a request that has been answered. Closing the connection of a client that still sends could take
 * the answer from it: its system forgets what has arrived when it learns that nobody reads. A client that has much more to
 * say, or takes long to say it, is cut off.
 * @param done called when the request is over, one way or the other
 */
export function discardRest(req: IncomingMessage, done: () => void = () => undefined): void {
  if (req.destroyed || (req.complete && req.readableLength === 0)) return done();
  let left = TOLERATED_BYTES;
  const timer = systemClock.after(TOLERATED_MS, () => req.destroy());
  req.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) req.destroy();
  });
  req.once('close', () => {
    timer.cancel();
    done();
  });
  req.resume();
}
