import type { Candidate } from '../candidate.js';

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
