import type { Fleet } from '../candidate.js';
import { Ring } from './ring.js';

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
