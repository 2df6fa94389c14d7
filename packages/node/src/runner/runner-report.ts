import type { Agent } from '@fnfleet/agent';
import { epochMs, VERSION, type WallMs } from '@fnfleet/core';
import type { Driver } from '@fnfleet/drivers';
import type { RunnerAnswer } from '@fnfleet/operator-api';
import { type LoadReport, loadJson } from '@fnfleet/protocol';

export interface RunnerReportParts {
  readonly name: string;
  readonly state: 'starting' | 'ready' | 'suspended' | 'draining';
  readonly grpcAddress: string;
  readonly load: LoadReport;
  readonly agent: Pick<Agent, 'hotFunctions'>;
  readonly driver: Pick<Driver, 'name' | 'facts'>;
  /** Configured limits by name, in snake case. */
  readonly limits: Readonly<Record<string, string | number | boolean | undefined>>;
  /** Start of the process by its wall clock, milliseconds. */
  readonly now: WallMs;
}

/** What a runner shows of its configuration beside its state: for people, with names that drivers choose. */
interface Settings {
  readonly limits: RunnerReportParts['limits'];
  readonly driver: Readonly<Record<string, unknown>>;
}

/** `GET /runner`: the state of a runner. `in_hand` counts calls from their offer to their end. */
export function runnerReport({
  name,
  grpcAddress,
  load,
  agent,
  driver,
  limits,
  now,
  ...rest
}: RunnerReportParts): RunnerAnswer & Settings {
  return {
    name,
    incarnation: load.instanceId,
    version: VERSION,
    ...standing(rest.state, load),
    grpc_address: grpcAddress,
    now_ms: epochMs(now),
    in_hand: load.active,
    load: loadJson(load),
    functions: agent.hotFunctions.map(({ fnId, ...counts }) => ({ fn_id: fnId, ...counts })),
    limits,
    driver: { name: driver.name, ...driver.facts },
  };
}

/** The state in the terms that operators use. */
function standing(state: RunnerReportParts['state'], load: LoadReport): { state: string; reason?: string } {
  if (state === 'suspended') return { state: 'draining', reason: 'drained by an operator (DELETE /drain undoes it)' };
  if (state === 'draining') return { state, reason: 'shutting down' };
  if (load.degraded) return { state: 'degraded', reason: load.degradedReason };
  return { state };
}
