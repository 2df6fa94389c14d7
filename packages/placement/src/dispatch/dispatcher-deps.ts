import type { Clock } from '@fnfleet/core';
import type { FleetState } from '../fleet/fleet-state.js';
import type { HealthOptions } from '../fleet/health-options.js';
import type { Placer } from '../placer.js';
import type { RunnerPool } from '../runner.js';
import type { PlacementTiming } from '../settings.js';
import type { PlacementQueue } from './placement-queue.js';
import type { QueueLimits } from './queue-limits.js';
import type { Recheck } from './recheck.js';

export interface DispatcherDeps {
  readonly pool: RunnerPool;
  readonly placer: Placer;
  readonly clock: Clock;
  readonly timing: PlacementTiming;
  readonly limits: QueueLimits;
  /** Defaults apply to missing values. */
  readonly health?: Partial<HealthOptions> | undefined;
  /** Uniform, 0 to below 1. */
  readonly random: () => number;
  /** Called once for each problem with the setup of the fleet, with a message for operators. */
  readonly onTrouble?: (what: string) => void;
}

/** What a placement task uses. */
export interface DispatcherParts extends Omit<DispatcherDeps, 'limits' | 'health' | 'random' | 'onTrouble'> {
  readonly fleet: FleetState;
  readonly queue: PlacementQueue;
  readonly recheck: Recheck;
}
