import type { Agent } from '@fnfleet/agent';
import { VERSION, type WallMs } from '@fnfleet/core';
import type { Driver } from '@fnfleet/drivers';
import { type LoadReport, loadJson } from '@fnfleet/protocol';

export interface RunnerReportParts {
  readonly name: string;
  readonly state: 'starting' | 'ready' | 'suspended' | 'draining';
  readonly grpcAddress: string;
  readonly load: LoadReport;
  readonly agent: Pick<Agent, 'hotFunctions'>;
  readonly driver: Pick<Driver, 'name' | 'facts'>;
  /** What it was configured to; by name, in snake case. */
  readonly limits: Readonly<Record<string, string | number | boolean | undefined>>;
  /** By its wall clock. */
  readonly now: WallMs;
}

/** `GET /runner`: what a runner knows of itself. `in_hand` counts calls from when they were offered to their end. */
export function runnerReport({
  name,
  grpcAddress,
  load,
  agent,
  driver,
  limits,
  now,
  ...rest
}: RunnerReportParts): object {
  return {
    name,
    incarnation: load.instanceId,
    version: VERSION,
    ...standing(rest.state, load),
    grpc_address: grpcAddress,
    now_ms: now,
    in_hand: load.active,
    load: loadJson(load),
    functions: agent.hotFunctions.map(({ fnId, ...counts }) => ({ fn_id: fnId, ...counts })),
    limits,
    driver: { name: driver.name, ...driver.facts },
  };
}

/** What an operator would call it. */
function standing(state: RunnerReportParts['state'], load: LoadReport): { state: string; reason?: string } {
  if (state === 'suspended')
    return { state: 'draining', reason: 'an operator has drained it (DELETE /drain undoes it)' };
  if (state === 'draining') return { state, reason: 'it has been told to stop' };
  if (load.degraded) return { state: 'degraded', reason: load.degradedReason };
  return { state };
}
