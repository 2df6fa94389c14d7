import type { Clock } from '@fnfleet/core';
import type { PlacementOutcome, PlacementTiming } from '@fnfleet/placement';
import type { OutboundCall } from '@fnfleet/protocol';
import type { SimulatedPool } from '../fleet/simulated-fleet.js';

/** One way to place calls, under test. */
export interface Contender {
  readonly name: string;
  readonly doc: string;
  /** It was made for runners that queue what they have no room for, and gets such. */
  readonly needsQueueingRunners?: true;
  open(deps: ContenderDeps): Balancer;
}

export interface ContenderDeps {
  readonly pool: SimulatedPool;
  readonly clock: Clock;
  readonly timing: PlacementTiming;
  readonly random: () => number;
  /** Memory of each runner, and the part of it that this balancer may give out, if balancers share it out. */
  readonly memoryMb: number;
  readonly balancers: number;
}

/** One load balancer at work. */
export interface Balancer {
  /** Never rejects. */
  place(call: OutboundCall, signal: AbortSignal): Promise<PlacementOutcome>;
  /** Ends its timers. */
  close(): void;
}
