import type { Candidate } from '../placer.js';

/** Every item once, starting at `start` and wrapping around. */
export function* rotate<T>(items: readonly T[], start: number): Generator<T> {
  for (let i = 0; i < items.length; i += 1) yield items[(start + i) % items.length] as T;
}

/** The first `count` items. Reads no more than that. */
export function firstOf<T>(items: Iterable<T>, limit: number): T[] {
  const first: T[] = [];
  for (const item of items) {
    first.push(item);
    if (first.length === limit) break;
  }
  return first;
}

const GIB = 2 ** 30;

/**
 * How busy a runner is for its size: calls in flight per GiB for functions. A runner reports its calls from all balancers;
 * without a report, the calls of this balancer count, and all runners are assumed to be of one size.
 */
export function busyness({ inFlight, load, weight }: Candidate): number {
  const calls = Math.max(inFlight, load?.active ?? 0);
  const size = load !== undefined && load.memoryTotalBytes > 0 ? load.memoryTotalBytes / GIB : 1;
  return (calls + 1) / size / weight;
}

/**
 * The less busy of two random runners, then the other, then all. Looking at two is nearly as good as looking at all, costs the
 * same in a fleet of any size, and does not send every balancer to the runner that was idle a moment ago.
 *
 * Mitzenmacher: "The power of two choices in randomized load balancing", 2001.
 */
export function* twoChoices(candidates: readonly Candidate[], random: () => number): Generator<Candidate> {
  const count = candidates.length;
  const first = Math.floor(random() * count);
  if (count > 1) {
    const second = (first + 1 + Math.floor(random() * (count - 1))) % count;
    const [a, b] = [candidates[first] as Candidate, candidates[second] as Candidate];
    yield* busyness(b) < busyness(a) ? [b, a] : [a, b];
  }
  yield* rotate(candidates, first);
}
