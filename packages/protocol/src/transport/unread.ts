import { readSync } from 'node:fs';
import type { Socket } from 'node:net';

const CHUNK_BYTES = 64 * 1024;
/** No kernel holds more for one socket. */
const MAX_CHUNKS = 1024;

/**
 * Reads what the kernel still holds for a socket whose write has failed. Node destroys such a socket and reads no more, although
 * the last words of a peer that is gone may be waiting there. Call it from the callback of the write: afterwards the socket has
 * no descriptor. A TLS socket cannot be read like this.
 * @returns whether the end was reached: nothing that the peer has sent is missing
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

/** @returns 0 at the end, which a reset is as well: the kernel hands out what came before it first */
function readNow(descriptor: number, chunk: Buffer): number | 'nothing yet' {
  try {
    return readSync(descriptor, chunk);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ECONNRESET' ? 0 : 'nothing yet';
  }
}

/** Node has no public way to it. */
function descriptorOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as Socket & { readonly _handle?: { readonly fd?: number } | null };
  return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : undefined;
}
