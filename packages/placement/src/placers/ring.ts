import type { Candidate } from '../candidate.js';
import { firstOf } from './first-of.js';
import { memo } from './memo.js';
import { sipHash } from './sip-hash.js';

/** Probes for one key, and points of one runner: together they make the shares of few and of many runners even. */
const PROBES = 21;
const POINTS = 16;
const WORDS = 2 ** 32;
/**
 * Where a function gets new containers: its image is there, and other functions' containers are not pushed out. With fewer,
 * the homes of a busy function are full while others have room, and it pushes out what lives there.
 */
const HOMES = 8;

/**
 * A consistent hash with a few points for each runner and several probes for each key: the runner whose point is closest
 * behind any of the probes is the first choice. When runners come and go only the keys move that are next to their points, as
 * on a ring that is probed once, which would take many times the points to be as even.
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
    // Two at the same point, by their names: every balancer has to see the same ring.
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
    // Each runner's overflow goes to many others, not to one neighbour.
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

  /** The owners behind all probes, the closest first. */
  private probed(hash: bigint): number[] {
    const found = Array.from({ length: PROBES }, (_, probe) => {
      const from = fraction(hash, probe);
      const at = this.behind(from);
      return { at, distance: this.distance(from, at) };
    });
    return found.sort((a, b) => a.distance - b.distance).map(({ at }) => at);
  }

  /** Index of the first point at or behind a position, going round. */
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

/** A position on the ring for one of the probes, 0 to below 1. */
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
