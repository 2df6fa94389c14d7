import type { OutboundCall } from '@fnfleet/protocol';
import type { Candidate, Fleet, PlacerFactory } from '../placer.js';
import { busyness, firstOf, twoChoices } from './orders.js';
import { type Ring, rings } from './ring.js';

/** How many runners with a free container are compared. Comparing more costs more than it gains. */
const WARM_LOOKED_AT = 8;

/**
 * A free hot container wherever there is one; otherwise a new one on a home runner of the function: one that is pulling its
 * image, so that its other homes do not pull it too, then the one with the most room, the first among equals; otherwise on the
 * less busy of two.
 *
 * Free containers as in Lu et al.: "Join-Idle-Queue", 2011, and in Hiku (2025); homes as in OpenWhisk's invokers.
 */
export const warmFirst: PlacerFactory = {
  name: 'warm-first',
  doc: 'a free hot container first, then the home runners of the function, then the less busy of two random ones',
  create: ({ random }) => {
    const ringOf = rings();
    return { order: (call, fleet) => warmThenHome(call, fleet, ringOf(fleet), random) };
  },
};

function* warmThenHome(call: OutboundCall, fleet: Fleet, ring: Ring, random: () => number): Generator<Candidate> {
  const { fnId } = call.model;
  yield* leastBusyFirst(firstOf(fleet.warm(fnId), WARM_LOOKED_AT));
  const homes = ring.homes(fnId);
  yield* pullingAmong(homes, call);
  yield* roomiestFirst(homes);
  yield* twoChoices(fleet.candidates, random);
}

function pullingAmong(homes: readonly Candidate[], { model }: OutboundCall): readonly Candidate[] {
  return homes.length < 2 ? [] : homes.filter((home) => home.isPulling(model));
}

function leastBusyFirst(candidates: readonly Candidate[]): readonly Candidate[] {
  const [first, second] = candidates;
  if (first === undefined || second === undefined) return candidates;
  // The common case in a small fleet: nothing to sort.
  if (candidates.length === 2) return busyness(second) < busyness(first) ? [second, first] : candidates;
  return candidates.toSorted((a, b) => busyness(a) - busyness(b));
}

/** By the last reports. If any of them is missing, the load decides for all. */
function roomiestFirst(candidates: readonly Candidate[]): readonly Candidate[] {
  if (candidates.length < 2) return candidates;
  if (candidates.some(({ load }) => load === undefined || load.memoryTotalBytes === 0))
    return leastBusyFirst(candidates);
  // Unreserved memory comes before that of idle containers, because an evicted container will be missed.
  return candidates.toSorted((a, b) => freeBytes(b) - freeBytes(a) || idleBytes(b) - idleBytes(a));
}

function freeBytes({ load, weight }: Candidate): number {
  return load === undefined ? 0 : (load.memoryTotalBytes - load.memoryUsedBytes) * weight;
}

function idleBytes({ load, weight }: Candidate): number {
  return (load?.memoryIdleBytes ?? 0) * weight;
}
