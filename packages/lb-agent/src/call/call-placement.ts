import type { Logger } from '@fnfleet/core';
import {
  Dispatcher,
  type DispatcherDeps,
  type FleetStatus,
  type Outlook,
  type PlacementOutcome,
} from '@fnfleet/placement';
import type { LbCall } from './lb-call.js';

/** Takes calls that an agent has accepted to where they run. */
export interface CallPlacement {
  /** Whether it counts calls and how they end. The agent does, unless this says so: one process counts a call once. */
  readonly countsCalls: boolean;
  /** Never rejects. @returns what the call failed with; undefined: it ended well and its answer has been written */
  place(call: LbCall): Promise<unknown>;
  /**
   * What would become of a call if it were placed now. Nothing runs.
   * @throws what it would fail with without being placed
   */
  outlook(call: LbCall): Promise<Outlook>;
  /** What is seen of the runners, where there are some. */
  status?(): FleetStatus;
  /** Asks every runner how it is, for so long at most, milliseconds. */
  askRunners?(limitMs: number): Promise<void>;
  /** Offers a runner nothing any more, or does again. @returns false: there is no such runner */
  setCordoned?(address: string, cordoned: boolean): boolean;
  /** Lets go of where calls run. Idempotent, never rejects. */
  close(): Promise<void>;
}

/** Offers calls to the runners of a pool. Closing it closes the pool. */
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
      this.logger.error('the runner pool did not close', { error });
    });
  }
}

function errorOf(placement: PlacementOutcome): unknown {
  return placement.kind === 'finished' ? undefined : placement.error;
}
