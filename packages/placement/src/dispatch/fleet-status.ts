import type { PoolStatus } from '@fnfleet/discovery';
import type { LoadReport } from '@fnfleet/protocol';
import type { RunnerIdentity } from '../fleet/runner-identity.js';
import type { RunnerCondition, RunnerState } from '../fleet/runner-state.js';

/** What a balancer knows about its fleet, for operators. */
export interface FleetStatus {
  /** Calls waiting for a runner. */
  readonly waiting: number;
  /** Calls in flight on runners. */
  readonly inFlight: number;
  /** Undefined for a pool without a status. */
  readonly pool: PoolStatus | undefined;
  /** Addresses that an operator has cordoned on this balancer, in the pool or not. */
  readonly cordons: readonly string[];
  /** Problems with the setup of the fleet, in words. */
  readonly troubles: readonly string[];
  readonly runners: readonly RunnerStatusLine[];
}

export interface RunnerStatusLine {
  readonly address: string;
  readonly state: RunnerCondition;
  /** Why it is not `ok`, or is limited. */
  readonly reason: string | undefined;
  readonly cordoned: boolean;
  readonly inFlight: number;
  /** Less than 1 during slow start. */
  readonly weight: number;
  /** Functions that are estimated to have a free hot container on it. */
  readonly warmFunctions: number;
  /** The last load report; undefined for a runner that sends none. */
  readonly load: LoadReport | undefined;
  /** What it last said about itself in a status; undefined for a runner of Fn. */
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
      return 'a keepalive PING is still unanswered';
    case 'ejected':
      return `calls fail on it: ${trouble}`;
    case 'draining':
      return 'takes no new calls';
    case 'cordoned':
      return 'cordoned on this balancer by an operator';
    case 'gone':
      return 'closed';
    case 'ok':
      return load?.degraded ? load.degradedReason || 'cannot create containers' : undefined;
  }
}
