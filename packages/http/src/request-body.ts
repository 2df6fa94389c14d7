import type { IncomingMessage } from 'node:http';
import { CancelledError, FnError } from '@fnfleet/core';

/**
 * Refuses a body by its announced length, before a byte of it is read.
 * @param maxBytes 0: no limit
 * @throws FnError `requestTooBig`
 */
export function checkDeclaredLength(req: IncomingMessage, maxBytes: number): void {
  const length = Number(req.headers['content-length'] ?? 0);
  if (maxBytes > 0 && length > maxBytes) throw new FnError('requestTooBig', { params: { length, max: maxBytes } });
}

/**
 * The whole body.
 * @param maxBytes 0: no limit. Counted as bytes arrive, so a body of unknown length is held to it too.
 * @throws FnError `requestTooBig`; CancelledError when the client went away in the middle
 */
export async function readBody(req: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  // Leaving the loop early must not destroy the request: its socket still carries the answer.
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
