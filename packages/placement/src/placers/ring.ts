import type { Candidate, Fleet } from '../placer.js';
import { memo, sipHash } from './hash.js';
import { firstOf } from './orders.js';

/** Probes per key, and points per runner: together they make the shares even for few and for many runners. */
const PROBES = 21;
const POINTS = 16;
const WORDS = 2 ** 32;
/**
 * The number of home runners of a function, where it gets new containers: they have its image, and containers of other functions
 * are not evicted. With fewer, the homes of a busy function would be full, and evict others, while the fleet has room.
 */
const HOMES = 8;

/**
 * A consistent hash with a few points per runner and several probes per key: the first choice is the runner whose point follows
 * most closely after any probe. When runners come and go, only the keys next to their points move, as on a ring with one probe,
 * which would need many times the points to be as even.
 *
 * Appleton, O'Reilly: "Multi-probe consistent hashing", 2015.
 */
export class Ring {
  private readonly points: Float64Array;
  private readonly owners: readonly Candidate[];
  /** The first few of `order`. */
  readonly homes = memo((key: string): readonly Candidate[] => firstOf(this.order(key), HOMES));

  /** @param candidates not empty */
  constructor(private readonly candidates: readonly Candidate[]) {
    const placed = candidates.flatMap((candidate) => {
      const hash = hashOf(candidate.address);
      return Array.from({ length: POINTS }, (_, point) => ({ candidate, at: fraction(hash, point) }));
    });
    // Points with equal positions are ordered by name, so that every balancer has the same ring.
    placed.sort((a, b) => a.at - b.at || (a.candidate.address < b.candidate.address ? -1 : 1));
    this.points = Float64Array.from(placed, ({ at }) => at);
    this.owners = placed.map(({ candidate }) => candidate);
  }

  /** Every runner once, the home of the key first. */
  *order(key: string): Generator<Candidate> {
    const hash = hashOf(key);
    const first = this.first(hash);
    yield this.owner(first);
    const seen = new Set([this.owner(first)]);
    // The overflow of a runner is spread over many others, not one neighbour.
    for (const at of this.probed(hash)) {
      const owner = this.owner(at);
      if (seen.has(owner)) continue;
      seen.add(owner);
      yield owner;
    }
    for (let step = 1; seen.size < this.candidates.length; step += 1) {
      const owner = this.owner((first + step) % this.owners.length);
      if (seen.has(owner)) continue;
      seen.add(owner);
      yield owner;
    }
  }

  private first(hash: bigint): number {
    let best = 0;
    let least = Number.POSITIVE_INFINITY;
    for (let probe = 0; probe < PROBES; probe += 1) {
      const from = fraction(hash, probe);
      const at = this.behind(from);
      const distance = this.distance(from, at);
      if (distance < least) {
        least = distance;
        best = at;
      }
    }
    return best;
  }

  /** The owners of the points after all probes, the closest first. */
  private probed(hash: bigint): number[] {
    const found = Array.from({ length: PROBES }, (_, probe) => {
      const from = fraction(hash, probe);
      const at = this.behind(from);
      return { at, distance: this.distance(from, at) };
    });
    return found.sort((a, b) => a.distance - b.distance).map(({ at }) => at);
  }

  /** Index of the first point at or after a position, wrapping around. */
  private behind(position: number): number {
    const { points } = this;
    let low = 0;
    let high = points.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((points[middle] as number) < position) low = middle + 1;
      else high = middle;
    }
    return low === points.length ? 0 : low;
  }

  private distance(from: number, at: number): number {
    const distance = (this.points[at] as number) - from;
    return distance < 0 ? distance + 1 : distance;
  }

  private owner(at: number): Candidate {
    return this.owners[at] as Candidate;
  }
}

const hashOf = memo((text: string) => sipHash(text, 0n, 0n), 100_000);

/** The position of one probe on the ring, 0 to below 1. */
function fraction(hash: bigint, probe: number): number {
  const low = Number(hash & 0xffff_ffffn);
  const high = Number(hash >> 32n);
  // Double hashing: independent enough, without another hash for each probe.
  const word = mix(low + Math.imul(probe, high | 1));
  return (word + mix(word ^ high) / WORDS) / WORDS;
}

function mix(word: number): number {
  let x = word | 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** The ring of each list of runners, created on first use. */
export function rings(): (fleet: Fleet) => Ring {
  const known = new WeakMap<Fleet['candidates'], Ring>();
  return ({ candidates }) => {
    let ring = known.get(candidates);
    if (ring === undefined) {
      ring = new Ring(candidates);
      known.set(candidates, ring);
    }
    return ring;
  };
}
