import type { Logger } from '@fnfleet/core';
import {
  Dispatcher,
  type DispatcherDeps,
  type FleetStatus,
  type Outlook,
  type PlacementOutcome,
} from '@fnfleet/placement';
import type { LbCall } from './lb-call.js';

/** Brings calls that an agent has accepted to where they run. */
export interface CallPlacement {
  /** Whether the placement counts calls itself. By default the agent does: a process counts a call only once. */
  readonly countsCalls: boolean;
  /** Never rejects. @returns the error of the call; undefined if it succeeded and its response has been written */
  place(call: LbCall): Promise<unknown>;
  /**
   * Reports what would happen to a call if it were placed now. Nothing runs.
   * @throws the error with which it would fail before its placement
   */
  outlook(call: LbCall): Promise<Outlook>;
  /** The state of the runners, if there are any. */
  status?(): FleetStatus;
  /** Queries the status of every runner, for at most this long in milliseconds. */
  askRunners?(limitMs: number): Promise<void>;
  /** Cordons a runner, or lifts the cordon. @returns false if there is no such runner */
  setCordoned?(address: string, cordoned: boolean): boolean;
  /** Releases its resources. Idempotent, never rejects. */
  close(): Promise<void>;
}

/** Places calls on the runners of a pool. Closing it closes the pool. */
export class FleetPlacement implements CallPlacement {
  readonly countsCalls = false;

  private readonly dispatcher: Dispatcher;

  constructor(
    private readonly deps: DispatcherDeps,
    private readonly logger: Logger,
  ) {
    this.dispatcher = new Dispatcher({ ...deps, onTrouble: (what) => logger.warn(what) });
  }

  place(call: LbCall): Promise<unknown> {
    return this.dispatcher.place(call, call.signal).then(errorOf);
  }

  outlook(call: LbCall): Promise<Outlook> {
    return this.dispatcher.outlook(call, call.signal);
  }

  status(): FleetStatus {
    return this.dispatcher.status();
  }

  askRunners(limitMs: number): Promise<void> {
    return this.dispatcher.askRunners(limitMs);
  }

  setCordoned(address: string, cordoned: boolean): boolean {
    return this.dispatcher.setCordoned(address, cordoned);
  }

  async close(): Promise<void> {
    this.dispatcher.close();
    await this.deps.pool.close().catch((error: unknown) => {
      this.logger.error('cannot close the runner pool', { error });
    });
  }
}

function errorOf(placement: PlacementOutcome): unknown {
  return placement.kind === 'finished' ? undefined : placement.error;
}
