import type { IncomingMessage } from 'node:http';
import { MIB, systemClock } from '@fnfleet/core';

const TOLERATED_BYTES = 8 * MIB;
const TOLERATED_MS = 5_000;

/**
 * Reads the rest of a request that has been answered. If the connection were closed while the client still sends, its
 * system could discard the response when it receives the reset. A client that has too much left to send, or is too
 * slow, is disconnected.
 * @param done called when the request has ended in any way
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
