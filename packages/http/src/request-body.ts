import type { IncomingMessage } from 'node:http';
import { CancelledError, FnError, MIB, systemClock } from '@fnfleet/core';

/**
 * Rejects a body by its Content-Length before reading any of it.
 * @param maxBytes 0: no limit
 * @throws FnError `requestTooBig`
 */
export function checkDeclaredLength(req: IncomingMessage, maxBytes: number): void {
  const length = Number(req.headers['content-length'] ?? 0);
  if (maxBytes > 0 && length > maxBytes) throw new FnError('requestTooBig', { params: { length, max: maxBytes } });
}

/**
 * Reads the whole body.
 * @param maxBytes 0: no limit. Counts received bytes, so it also applies to a body of unknown length
 * @throws FnError `requestTooBig`; CancelledError when the client disconnected before the end
 */
export async function readBody(req: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  // Leaving the loop early must not destroy the request: its socket is needed for the response.
  const incoming = req.iterator({ destroyOnReturn: false });
  try {
    for await (const chunk of incoming as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (maxBytes > 0 && length > maxBytes) throw new FnError('requestTooBig', { params: { length, max: maxBytes } });
      chunks.push(chunk);
    }
  } catch (error) {
    throw error instanceof FnError ? error : new CancelledError();
  }
  return Buffer.concat(chunks, length);
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
