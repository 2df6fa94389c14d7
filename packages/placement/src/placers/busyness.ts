import type { Candidate } from '../candidate.js';

const GIB = 2 ** 30;

/**
 * How busy a runner is next to its size: calls in hand for each GiB that it has for functions. It tells how many it has from
 * all balancers; without a report, those of this balancer count, and all are taken to be of one size.
 */
export function busyness({ inFlight, load, weight }: Candidate): number {
  const calls = Math.max(inFlight, load?.active ?? 0);
  const size = load !== undefined && load.memoryTotalBytes > 0 ? load.memoryTotalBytes / GIB : 1;
  return (calls + 1) / size / weight;
}
