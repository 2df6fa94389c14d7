import { count } from '@fnfleet/core';

/** How many calls an agent has in progress. */
export interface AgentLoad {
  /** Calls that wait for a container. */
  readonly waiting: number;
  /** Calls that are being executed. */
  readonly running: number;
}

/** Counts the load, and reports it as the metrics `queued` and `running`. */
export class LoadCounter implements AgentLoad {
  waiting = 0;
  running = 0;

  queued(change: 1 | -1): void {
    this.waiting += change;
    count('queued', change);
  }

  executing(change: 1 | -1): void {
    this.running += change;
    count('running', change);
  }
}
