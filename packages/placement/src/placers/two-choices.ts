import type { Candidate } from '../candidate.js';
import { busyness } from './busyness.js';
import { rotate } from './rotate.js';

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
