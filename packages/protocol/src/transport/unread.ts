import { readSync } from 'node:fs';
import type { Socket } from 'node:net';

const CHUNK_BYTES = 64 * 1024;
/** No kernel buffers more for one socket. */
const MAX_CHUNKS = 1024;

/**
 * Reads what the kernel still holds for a socket whose write has failed. Node destroys such a socket and reads no more, although
 * the last data of a peer that is gone may be waiting there. Call it from the callback of the write: afterwards the socket has no
 * descriptor. A TLS socket cannot be read like this.
 * @returns whether the end was reached, so that no data of the peer is missing
 */
export function readUnread(socket: Socket, onBytes: (chunk: Buffer) => void): boolean {
  const descriptor = 'encrypted' in socket ? undefined : descriptorOf(socket);
  if (descriptor === undefined) return false;
  for (let chunks = 0; chunks < MAX_CHUNKS; chunks += 1) {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    const bytes = readNow(descriptor, chunk);
    if (bytes === 'nothing yet') return false;
    if (bytes === 0) return true;
    onBytes(chunk.subarray(0, bytes));
  }
  return false;
}

/** @returns 0 at the end, including a reset: the kernel delivers the data before it first */
function readNow(descriptor: number, chunk: Buffer): number | 'nothing yet' {
  try {
    return readSync(descriptor, chunk);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ECONNRESET' ? 0 : 'nothing yet';
  }
}

/** Node has no public API for it. */
function descriptorOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as Socket & { readonly _handle?: { readonly fd?: number } | null };
  return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : undefined;
}
