import { giveSlab, SLAB_BYTES, takeSlab } from './slabs.js';

it('a slab is used again when it was given back, and what is no slab is not', () => {
  const slab = takeSlab();
  expect(slab.length).toBe(SLAB_BYTES);
  giveSlab(slab.subarray(0, 10));
  giveSlab(slab);
  expect(takeSlab()).toBe(slab);
  expect(takeSlab()).not.toBe(slab);
});

it('no more than 2 MiB of them are kept', () => {
  const slabs = Array.from({ length: 40 }, takeSlab);
  for (const slab of slabs) giveSlab(slab);
  const again = new Set(Array.from({ length: 40 }, takeSlab));
  expect(slabs.filter((slab) => again.has(slab))).toHaveLength(32);
});
