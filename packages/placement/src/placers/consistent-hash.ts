import type { PlacerFactory } from '../placer.js';
import type { Runner } from '../runner.js';
import { memo } from './memo.js';
import { sipHash } from './sip-hash.js';

/**
 * Rendezvous hashing: every runner gets a score for a function and they are tried from the highest down.
 *
 * R1  The order depends on the function and the addresses only, so all balancers agree without talking.
 * R2  A runner that leaves moves only the functions that were on it; one that joins takes an even share from all.
 * R3  When the first choice is full, the functions it turns away spread over all the others.
 */
export const consistentHash: PlacerFactory = {
  name: 'ch',
  doc: 'keeps a function on the same runners; moves few functions when the fleet changes',
  create: () => {
    const hashOf = memo(halves);
    return { order: (call, runners) => byScore(hashOf(call.model.fnId), runners, hashOf) };
  },
};

interface Halves {
  readonly high: number;
  readonly low: number;
}

/** The best first, found without sorting: most calls are taken by it. */
function* byScore(key: Halves, runners: readonly Runner[], hashOf: (text: string) => Halves): Generator<Runner> {
  const scored = runners.map((runner) => ({ runner, score: score(key, hashOf(runner.address)) }));
  let best = scored[0];
  if (best === undefined) return;
  for (const candidate of scored) if (candidate.score > best.score) best = candidate;
  yield best.runner;
  for (const { runner } of scored.sort((a, b) => b.score - a.score)) if (runner !== best.runner) yield runner;
}

/** A pseudo-random number of 53 bits for one function on one runner. */
function score(key: Halves, address: Halves): number {
  // Four rounds of a Feistel network: a change of one bit on either side changes all of the result.
  let high = key.high ^ address.high;
  let low = key.low ^ address.low;
  high ^= scramble(low ^ 0x9e3779b9);
  low ^= scramble(high ^ 0x85ebca6b);
  high ^= scramble(low ^ 0xc2b2ae35);
  low ^= scramble(high ^ 0x27d4eb2f);
  return (high >>> 0) * 2 ** 21 + (low >>> 11);
}

function scramble(word: number): number {
  let x = word;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return x ^ (x >>> 16);
}

function halves(text: string): Halves {
  const hash = sipHash(text, 0n, 0n);
  return { high: Number(hash >> 32n), low: Number(hash & 0xffff_ffffn) };
}
