import type { Candidate, Fleet, PlacerFactory, Runner } from '@fnfleet/placement';
import { SimulatedCall } from '../fleet/simulated-call.js';
import { randomStream } from '../random/sfc32.js';
import { VirtualClock } from '../time/virtual-clock.js';
import { simulatedId } from '../workloads/azure.js';

/**
 * Share of functions whose preferred runner changes with the fleet. The minimum is one divided by the number of
 * runners.
 */
export interface HomeMoves {
  readonly onLeave: number;
  readonly onJoin: number;
}

const FUNCTIONS = 2_000;

/** Measures an idle fleet without load information: the behaviour of the placer alone. */
export function homeMoves(factory: PlacerFactory, runners: number): HomeMoves {
  const candidates = Array.from({ length: runners + 1 }, (_, i) => idle(`runner-${i + 1}`));
  const before = homes(factory, candidates.slice(0, runners));
  // Remove one from the middle: removing the last one is the easy case for some placers.
  const middle = runners >> 1;
  const without = homes(factory, candidates.slice(0, runners).toSpliced(middle, 1));
  const withOne = homes(factory, candidates);
  return { onLeave: changed(before, without), onJoin: changed(before, withOne) };
}

function homes(factory: PlacerFactory, candidates: readonly Candidate[]): (string | undefined)[] {
  const placer = factory.create({ random: randomStream(1, 'homes'), clock: new VirtualClock() });
  const fleet: Fleet = { candidates, inFlight: 0, warm: () => [] };
  return Array.from({ length: FUNCTIONS }, (_, i) => {
    const call = new SimulatedCall({ appId: simulatedId(0, i), fnId: simulatedId(1, i), memoryMb: 128 }, i, 0, 1, 1);
    for (const candidate of placer.order(call, fleet)) return candidate.address;
    return undefined;
  });
}

function changed(before: readonly unknown[], after: readonly unknown[]): number {
  return before.filter((home, i) => home !== after[i]).length / before.length;
}

function idle(address: string): Candidate {
  return {
    runner: { address, status: () => Promise.reject(new Error('not asked')) } as unknown as Runner,
    address,
    inFlight: 0,
    load: undefined,
    freeSlots: () => 0,
    latencyMs: () => undefined,
    weight: 1,
  };
}
