import type { IncomingMessage } from 'node:http';
import { CancelledError, FnError, MIB, systemClock } from '@fnfleet/core';
import { withholdContinue } from './expected-continue.js';

/**
 * Rejects a body by its Content-Length before reading any of it.
 * @param maxBytes 0: no limit
 * @throws FnError `requestTooBig`
 */
export function checkDeclaredLength(req: IncomingMessage, maxBytes: number): void {
  const length = Number(req.headers['content-length'] ?? 0);
  if (maxBytes > 0 && length > maxBytes) throw new FnError('requestTooBig', { params: { length, max: maxBytes } });
}

/** So many pieces of a body are joined: a client may send one byte at a time, and each piece costs two hundred more. */
const MAX_PIECES = 1_000;

/**
 * Reads the whole body.
 * @param maxBytes 0: no limit. Counts received bytes, so it also applies to a body of unknown length
 * @param onReceived called with the size of each piece before it is kept; what it throws ends the reading
 * @throws FnError `requestTooBig`; CancelledError when the client disconnected before the end
 */
export async function readBody(
  req: IncomingMessage,
  maxBytes: number,
  onReceived: (bytes: number) => void = () => undefined,
): Promise<Buffer> {
  const joined: Buffer[] = [];
  let pieces: Buffer[] = [];
  let length = 0;
  // Leaving the loop early must not destroy the request: its socket is needed for the response.
  const incoming = req.iterator({ destroyOnReturn: false });
  try {
    for await (const piece of incoming as AsyncIterable<Buffer>) {
      length += piece.length;
      if (maxBytes > 0 && length > maxBytes) throw new FnError('requestTooBig', { params: { length, max: maxBytes } });
      onReceived(piece.length);
      pieces.push(piece);
      if (pieces.length < MAX_PIECES) continue;
      joined.push(Buffer.concat(pieces));
      pieces = [];
    }
  } catch (error) {
    throw error instanceof FnError ? error : new CancelledError();
  }
  return Buffer.concat([...joined, ...pieces], length);
}

const TOLERATED_BYTES = 8 * MIB;
const TOLERATED_MS = 5_000;

/**
 * Reads the rest of a request that has been answered. If the connection were closed while the client still sends, its
 * system could discard the response when it receives the reset. A client that has too much left to send, or is too
 * slow, is disconnected.
 * @param done called when the request has ended in any way
 */
export function discardRest(req: IncomingMessage, done: () => void = () => undefined): void {
  withholdContinue(req);
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
