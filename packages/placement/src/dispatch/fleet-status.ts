import type { PoolStatus } from '@fnfleet/discovery';
import type { LoadReport } from '@fnfleet/protocol';
import type { RunnerIdentity } from '../fleet/runner-identity.js';
import type { RunnerCondition, RunnerState } from '../fleet/runner-state.js';

/** What a balancer sees of its fleet, for operators. */
export interface FleetStatus {
  /** Calls that wait for a runner. */
  readonly waiting: number;
  /** Calls that runners have in hand. */
  readonly inFlight: number;
  /** Undefined for a pool that tells nothing of itself. */
  readonly pool: PoolStatus | undefined;
  /** Addresses that an operator has cordoned here; perhaps not in the pool now. */
  readonly cordons: readonly string[];
  /** What is wrong with how the fleet is set up, in words. */
  readonly troubles: readonly string[];
  readonly runners: readonly RunnerStatusLine[];
}

export interface RunnerStatusLine {
  readonly address: string;
  readonly state: RunnerCondition;
  /** Why it is not `ok`, or does not do all that it should. */
  readonly reason: string | undefined;
  readonly cordoned: boolean;
  readonly inFlight: number;
  /** Less than 1 while it is new. */
  readonly weight: number;
  /** Functions that are believed to have a free hot container there. */
  readonly warmFunctions: number;
  /** The last report; undefined for a runner that tells none. */
  readonly load: LoadReport | undefined;
  /** Likewise. */
  readonly identity: RunnerIdentity | undefined;
}

export function statusLine(state: RunnerState): RunnerStatusLine {
  const { address, condition, isCordoned: cordoned, inFlight, weight, warmFunctions, load, identity } = state;
  return {
    address,
    state: condition,
    reason: reasonOf(state),
    cordoned,
    inFlight,
    weight,
    warmFunctions,
    load,
    identity,
  };
}

function reasonOf({ condition, trouble, load }: RunnerState): string | undefined {
  switch (condition) {
    case 'unreachable':
      return trouble;
    case 'silent':
      return 'it was asked for a sign of life and has given none yet';
    case 'ejected':
      return `it fails calls: ${trouble}`;
    case 'draining':
      return 'it says that it takes no more calls';
    case 'cordoned':
      return 'an operator has told this balancer to offer it nothing';
    case 'gone':
      return 'it is closed';
    case 'ok':
      return load?.degraded ? load.degradedReason || 'it cannot make containers' : undefined;
  }
}
