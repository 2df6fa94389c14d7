import { randomBytes } from 'node:crypto';
import type { Agent } from '@fnfleet/agent';
import type { LoadReport } from '@fnfleet/protocol';

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
    const { memoryUsedBytes, memoryTotalBytes, memoryIdleBytes, cpuUsedMillis, cpuTotalMillis } = agent.utilization;
    return {
      instanceId,
      memoryUsedBytes,
      memoryTotalBytes,
      memoryIdleBytes,
      cpuUsedMillis,
      cpuTotalMillis,
      active: counters.active,
      waiting: agent.load.waiting,
      freeSlots: slotKey === undefined ? undefined : agent.idleContainers(slotKey),
      draining,
      degraded: state === 'degraded',
      degradedReason: reason,
    };
  }
}

/** Counts the engagements of a runner for `Status`. Received = handled + active, including refusals. */
export class EngagementCounters {
  private open = 0;
  private opened = 0;

  /** @returns a function to call when the stream has ended; idempotent */
  enter(): () => void {
    this.open += 1;
    this.opened += 1;
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.open -= 1;
    };
  }

  get active(): number {
    return this.open;
  }

  snapshot(): { active: number; requestsReceived: number; requestsHandled: number } {
    return { active: this.open, requestsReceived: this.opened, requestsHandled: this.opened - this.open };
  }
}
