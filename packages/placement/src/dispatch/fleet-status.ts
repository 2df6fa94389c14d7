import type { LoadReport } from '@fnfleet/protocol';
import type { PoolStatus } from '../pools/membership.js';
import type { RunnerState, RunnerView } from '../view/runner-view.js';

/** What a balancer sees of its fleet, for operators. */
export interface FleetStatus {
  /** Calls that wait for a runner. */
  readonly waiting: number;
  /** Calls that runners have in hand. */
  readonly inFlight: number;
  /** Undefined for a pool that tells nothing of itself. */
  readonly pool: PoolStatus | undefined;
  readonly runners: readonly RunnerStatusLine[];
}

export interface RunnerStatusLine {
  readonly address: string;
  readonly state: RunnerState;
  readonly inFlight: number;
  /** Less than 1 while it is new. */
  readonly weight: number;
  /** Functions that are believed to have a free hot container there. */
  readonly warmFunctions: number;
  /** The last report; undefined for a runner that tells none. */
  readonly load: LoadReport | undefined;
}

export function statusLine(view: RunnerView): RunnerStatusLine {
  const { address, state, inFlight, weight, warmFunctions, load } = view;
  return { address, state, inFlight, weight, warmFunctions, load };
}
