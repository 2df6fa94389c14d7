import { LONG_AGO, type MonoMs } from '@fnfleet/core';
import type { OutboundCall } from '@fnfleet/protocol';
import type { Candidate, Fleet, PlacerDeps, PlacerFactory } from '../placer.js';
import { busyness, rotate } from './orders.js';

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

/** Size of the pool in the paper: the runners compared for one call. */
const SIZE = 16;
/** Runners that are replaced after each call. */
const REPLACED = 2;
/** Data older than this is probed again, milliseconds. */
const FRESH_MS = 1_000;
/** Limit for concurrent probes. */
const MOST_IN_FLIGHT = 32;

/**
 * A changing sample of the fleet. The fleet state already has what runners reported with their calls, so only runners without a
 * recent report are probed.
 */
export class ProbePool {
  private members: Candidate[] = [];
  private of: Fleet['candidates'] = [];
  private next = 0;
  private inFlight = 0;
  private readonly probedAt = new WeakMap<Candidate, MonoMs>();

  constructor(private readonly deps: PlacerDeps) {}

  take({ candidates }: Fleet): readonly Candidate[] {
    if (this.of !== candidates) {
      this.of = candidates;
      this.members = [];
    }
    const size = Math.min(SIZE, candidates.length);
    while (this.members.length < size) this.members.push(this.another());
    for (let i = 0; i < REPLACED && candidates.length > SIZE; i += 1) {
      this.members[this.next] = this.another();
      this.next = (this.next + 1) % SIZE;
    }
    return [...new Set(this.members)];
  }

  private another(): Candidate {
    const { random } = this.deps;
    const candidate =
      this.of.length <= SIZE ? this.of[this.members.length] : this.of[Math.floor(random() * this.of.length)];
    this.probe(candidate as Candidate);
    return candidate as Candidate;
  }

  private probe(candidate: Candidate): void {
    const now = this.deps.clock.now();
    if (this.inFlight >= MOST_IN_FLIGHT || now - (this.probedAt.get(candidate) ?? LONG_AGO) < FRESH_MS) return;
    this.probedAt.set(candidate, now);
    this.inFlight += 1;
    // The answer reaches the fleet state. A missing answer is noticed by the next call.
    candidate.runner
      .status()
      .catch(() => undefined)
      .finally(() => {
        this.inFlight -= 1;
      });
  }
}
