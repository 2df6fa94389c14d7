import type { Agent } from '@fnfleet/agent';
import { epochMs, FnError, VERSION, type WallMs } from '@fnfleet/core';
import type { Registration } from '@fnfleet/discovery';
import type { Driver } from '@fnfleet/drivers';
import { type Route, sendJson } from '@fnfleet/http';
import type { RunnerAnswer } from '@fnfleet/operator-api';
import { type LoadReport, loadJson } from '@fnfleet/protocol';
import type { PureRunner } from '@fnfleet/pure-runner';

/** Operator routes of a runner. Each responds with the resulting state of the runner. */
export function runnerRoutes(drain: Pick<OperatorDrain, 'drain' | 'undrain'>, report: () => object): Route[] {
  return [
    {
      method: 'GET',
      path: '/runner',
      access: 'operator',
      handle: (_req, res) => sendJson(res, 200, report()),
    },
    {
      method: 'POST',
      path: '/drain',
      access: 'operator',
      async handle(_req, res) {
        await drain.drain();
        sendJson(res, 200, report());
      },
    },
    {
      method: 'DELETE',
      path: '/drain',
      access: 'operator',
      handle(_req, res) {
        drain.undrain();
        sendJson(res, 200, report());
      },
    },
  ];
}

export interface OperatorDrainDeps {
  readonly runner: Pick<PureRunner, 'suspend' | 'resume'>;
  /** Undefined if the runner is not registered anywhere. */
  readonly registration: Pick<Registration, 'suspend' | 'resume'> | undefined;
  /** Whether the process is shutting down. */
  readonly isEnding: () => boolean;
}

/**
 * Drains a runner at the request of an operator, and brings it back. New calls are refused, so that balancers try the
 * next runner; calls in flight continue; the process keeps running. A signal to stop works as usual.
 */
export class OperatorDrain {
  private suspended = false;

  constructor(private readonly deps: OperatorDrainDeps) {}

  get isSuspended(): boolean {
    return this.suspended;
  }

  /** Resolves when the registration is removed, so that no further balancer discovers the runner. Idempotent. */
  async drain(): Promise<void> {
    this.suspended = true;
    const { runner, registration } = this.deps;
    runner.suspend();
    await registration?.suspend();
  }

  /**
   * Idempotent.
   * @throws FnError `runnerEnding`
   */
  undrain(): void {
    const { runner, registration, isEnding } = this.deps;
    if (isEnding()) throw new FnError('runnerEnding');
    this.suspended = false;
    runner.resume();
    registration?.resume();
  }
}

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
