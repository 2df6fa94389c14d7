import type { Clock } from '@fnfleet/core';
import type { PlacementOutcome, PlacementTiming } from '@fnfleet/placement';
import type { OutboundCall } from '@fnfleet/protocol';
import type { SimulatedPool } from '../fleet/simulated-fleet.js';

/** A placement strategy under test. */
export interface Strategy {
  readonly name: string;
  readonly doc: string;
  /** Whether it was designed for runners that queue calls they have no capacity for, and so is run with such. */
  readonly needsQueueingRunners?: true;
  open(deps: StrategyDeps): Balancer;
}

export interface StrategyDeps {
  readonly pool: SimulatedPool;
  readonly clock: Clock;
  readonly timing: PlacementTiming;
  readonly random: () => number;
  /** Memory of each runner, and the number of balancers, for strategies in which balancers divide it among them. */
  readonly memoryMb: number;
  readonly balancers: number;
}

/** A running load balancer. */
export interface Balancer {
  /** Never rejects. */
  place(call: OutboundCall, signal: AbortSignal): Promise<PlacementOutcome>;
  /** Clears its timers. */
  close(): void;
}
