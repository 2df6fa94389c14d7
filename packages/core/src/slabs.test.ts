import { giveSlab, SLAB_BYTES, takeSlab } from './slabs.js';

it('a slab is used again when any part of it was given back, but only once', () => {
  const slab = takeSlab();
  expect(slab.length).toBe(SLAB_BYTES);
  giveSlab(slab.subarray(0, 10));
  giveSlab(slab);
  const again = takeSlab();
  expect([again.buffer === slab.buffer, again.length]).toEqual([true, SLAB_BYTES]);
  expect(takeSlab().buffer).not.toBe(slab.buffer);
});

it('other memory is never taken for a slab', () => {
  const other = Buffer.allocUnsafeSlow(SLAB_BYTES);
  giveSlab(other);
  expect(takeSlab().buffer).not.toBe(other.buffer);
});

it('no more than 2 MiB of them are kept', () => {
  const slabs = Array.from({ length: 40 }, takeSlab);
  for (const slab of slabs) giveSlab(slab);
  const again = new Set(Array.from({ length: 40 }, () => takeSlab().buffer));
  expect(slabs.filter(({ buffer }) => again.has(buffer))).toHaveLength(32);
});
