import { randomBytes } from 'node:crypto';
import type { Agent } from '@fnfleet/agent';
import type { LoadReport } from '@fnfleet/protocol';
import type { EngagementCounters } from './engagement-counters.js';

/** The load that a runner reports to balancers. Read at the end of every engagement, so nothing is computed here. */
export class RunnerLoad {
  readonly instanceId = randomBytes(8).toString('hex');
  /** The runner is shutting down. */
  ending = false;
  /** An operator has suspended it. */
  suspended = false;

  constructor(
    private readonly agent: Agent,
    private readonly counters: EngagementCounters,
  ) {}

  /** Whether it takes no new calls. */
  get draining(): boolean {
    return this.ending || this.suspended;
  }

  /** @param slotKey of the call that the report is for */
  report(slotKey?: string): LoadReport {
    const { agent, counters, instanceId, draining } = this;
    const { state, reason = '' } = agent.health;
    return {
      instanceId,
      ...agent.utilization,
      active: counters.active,
      waiting: agent.load.waiting,
      freeSlots: slotKey === undefined ? undefined : agent.idleContainers(slotKey),
      draining,
      degraded: state === 'degraded',
      degradedReason: reason,
    };
  }
}
