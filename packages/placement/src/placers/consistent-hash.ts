import type { Candidate, Fleet, PlacerFactory } from '../placer.js';
import { type Ring, rings } from './ring.js';

/** No runner gets more than this multiple of the mean. */
const MOST = 1.25;
/** Never too many, however idle the others are: spreading a function over idle runners only causes cold starts. */
const ALWAYS = 8;

/**
 * Consistent hashing with bounded loads: a function goes to its home while that has no more than its share of the calls, then to
 * the next runner in the function's own order.
 *
 * H1  The order depends only on the function and the addresses, so all balancers agree without communication.
 * H2  A runner that leaves moves only its own functions; one that joins takes its share from all.
 *
 * Mirrokni, Thorup, Zadimoghaddam: "Consistent hashing with bounded loads", 2018.
 */
export const consistentHash: PlacerFactory = {
  name: 'ch',
  doc: 'keeps a function on the same runners, within their share of calls; moves few functions when the fleet changes',
  create: () => {
    const ringOf = rings();
    return { order: (call, fleet) => bounded(ringOf(fleet), call.model.fnId, fleet) };
  },
};

function* bounded(ring: Ring, fnId: string, fleet: Fleet): Generator<Candidate> {
  const most = Math.max(ALWAYS, MOST * ((fleet.inFlight + 1) / fleet.candidates.length));
  const over: Candidate[] = [];
  for (const candidate of ring.order(fnId)) {
    if (candidate.inFlight < most * candidate.weight) yield candidate;
    else over.push(candidate);
  }
  yield* over;
}
