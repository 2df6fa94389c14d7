import type { PlacerFactory } from '../placer.js';
import { memo, sipHash } from './hash.js';
import { rotate } from './orders.js';

const MASK = (1n << 64n) - 1n;
const KEY = 0x4c617279426f6174n;

/**
 * The order of Fn's own balancers, bit for bit, for fleets in which balancers of both kinds must send a function to the same
 * runners. Its start positions are uneven (the second runner is never one), so prefer `ch` elsewhere.
 */
export const fnConsistentHash: PlacerFactory = {
  name: 'ch-fn',
  doc: "the same runners as Fn's `ch`, for fleets that mix our balancers with Fn's; less even than `ch`",
  create: () => {
    const hashOf = memo(fnHash);
    return {
      order: (call, { candidates }) => rotate(candidates, jump(hashOf(call.model.fnId), candidates.length)),
    };
  },
};

export function fnHash(fnId: string): bigint {
  return sipHash(fnId, 0n, KEY);
}

/**
 * Fn's variant of the jump hash: it adds one to the quotient, not to the divisor.
 * @param buckets at least 1
 */
export function jump(hash: bigint, buckets: number): number {
  let bucket = -1;
  let next = 0;
  let h = hash;
  while (next < buckets) {
    bucket = next;
    h = (h * 2862933555777941757n + 1n) & MASK;
    const divisor = Number(h >> 33n);
    // About one step in 2^31 divides by zero, where Fn itself would fail; here the jump goes past every bucket.
    if (divisor === 0) break;
    next = (bucket + 1) * (Math.floor(2 ** 31 / divisor) + 1);
  }
  return bucket;
}
