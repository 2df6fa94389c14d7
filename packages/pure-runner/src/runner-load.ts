import { randomBytes } from 'node:crypto';
import type { Agent } from '@fnfleet/agent';
import type { LoadReport } from '@fnfleet/protocol';
import type { EngagementCounters } from './engagement-counters.js';

/** How busy the runner is, as it tells balancers. Asked at the end of every engagement, so nothing is computed here. */
export class RunnerLoad {
  readonly instanceId = randomBytes(8).toString('hex');
  /** It will be gone soon. */
  ending = false;
  /** It takes no calls until an operator says otherwise. */
  suspended = false;

  constructor(
    private readonly agent: Agent,
    private readonly counters: EngagementCounters,
  ) {}

  /** It takes no more calls. */
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
