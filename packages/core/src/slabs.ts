/** Size of a slab, bytes. */
export const SLAB_BYTES = 64 * 1024;
/** Free slabs of the whole process. */
const MAX_FREE_SLABS = 32;
const free: Buffer[] = [];
/** Tells slabs from other memory of their size. */
const slabs = new WeakSet<ArrayBufferLike>();

/**
 * Memory to collect bytes in that leave in one write. It is used again, because memory outside V8's heap counts towards the limit at
 * which V8 collects all of it.
 */
export function takeSlab(): Buffer {
  const slab = free.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES);
  slabs.add(slab.buffer);
  return slab;
}

/**
 * Gives the memory of these bytes back if it is a slab. Only when nobody reads it any more; a slab that is never given back is
 * collected as usual.
 */
export function giveSlab(bytes: Buffer): void {
  const { buffer } = bytes;
  // Taken out, so that nobody can give it back twice.
  if (slabs.delete(buffer) && free.length < MAX_FREE_SLABS) free.push(Buffer.from(buffer));
}
