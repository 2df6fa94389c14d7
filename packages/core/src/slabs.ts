/** Size of a slab, bytes. */
export const SLAB_BYTES = 64 * 1024;
/** Free slabs of the whole process. */
const MAX_FREE_SLABS = 32;
const free: Buffer[] = [];

/**
 * Memory to collect bytes in that leave in one write. It is used again, because memory outside V8's heap counts towards the limit at
 * which V8 collects all of it.
 */
export function takeSlab(): Buffer {
  return free.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES);
}

/** Gives a slab back. Only when nobody reads it any more; one that is never given back is collected as usual. */
export function giveSlab(slab: Buffer): void {
  if (slab.length === SLAB_BYTES && free.length < MAX_FREE_SLABS) free.push(slab);
}
