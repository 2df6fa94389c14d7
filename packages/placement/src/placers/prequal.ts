import type { OutboundCall } from '@fnfleet/protocol';
import type { Candidate, Fleet } from '../candidate.js';
import type { PlacerDeps, PlacerFactory } from '../placer.js';
import { busyness } from './busyness.js';
import { ProbePool } from './probe-pool.js';
import { rotate } from './rotate.js';

/** Runners with more calls in flight than this share of the probed ones are hot: Q_RIF of the paper. */
const HOT_ABOVE = 0.84;

/**
 * Among recently probed runners: if some are not hot, the one of these with the lowest latency; if all are hot, the one with the
 * fewest calls in flight. Each call causes new probes; load reports of calls count as probes.
 *
 * Wydrowski et al.: "Load is not what you should balance: introducing Prequal", NSDI 2024.
 */
export const prequal: PlacerFactory = {
  name: 'prequal',
  doc: 'probes runners: the fastest of those with few calls in flight, otherwise the one with the fewest',
  create: (deps) => {
    const pool = new ProbePool(deps);
    return { order: (call, fleet) => hotCold(call, fleet, pool, deps) };
  },
};

function* hotCold(call: OutboundCall, fleet: Fleet, pool: ProbePool, { random }: PlacerDeps): Generator<Candidate> {
  const probed = pool.take(fleet);
  const loads = probed.map(busyness).sort((a, b) => a - b);
  const limit = loads[Math.floor(HOT_ABOVE * (loads.length - 1))] ?? 0;
  // A runner that has not run the function yet is worth trying.
  const latency = (candidate: Candidate) => candidate.latencyMs(call.model.fnId) ?? 0;
  yield* probed
    .map((candidate) => ({ candidate, load: busyness(candidate), ms: latency(candidate) }))
    .sort((a, b) => {
      const [hotA, hotB] = [a.load > limit, b.load > limit];
      if (hotA !== hotB) return hotA ? 1 : -1;
      return hotA ? a.load - b.load : a.ms - b.ms || a.load - b.load;
    })
    .map(({ candidate }) => candidate);
  yield* rotate(fleet.candidates, Math.floor(random() * fleet.candidates.length));
}
