import { FnError, type Logger } from '@fnfleet/core';
import { type PlacementDeps, placeCall } from '@fnfleet/placement';
import type { LbCall } from './lb-call.js';

/** Takes calls that an agent has accepted to where they run. */
export interface CallPlacement {
  /** Whether it counts calls and how they end. The agent does, unless this says so: one process counts a call once. */
  readonly countsCalls: boolean;
  /** Never rejects. @returns what the call failed with; undefined: it ended well and its answer has been written */
  place(call: LbCall): Promise<unknown>;
  /** Lets go of where calls run. Idempotent, never rejects. */
  close(): Promise<void>;
}

/** Offers calls to the runners of a pool. Closing it closes the pool. */
export class FleetPlacement implements CallPlacement {
  readonly countsCalls = false;

  constructor(
    private readonly deps: PlacementDeps,
    private readonly logger: Logger,
  ) {}

  async place(call: LbCall): Promise<unknown> {
    try {
      const placement = await placeCall(call, this.deps, call.signal);
      return placement.kind === 'finished' ? undefined : placement.error;
    } catch (error) {
      // A placer or runner of an embedder that breaks its promise ends this call, not the process.
      return error ?? new FnError('internal');
    }
  }

  async close(): Promise<void> {
    await this.deps.pool.close().catch((error: unknown) => {
      this.logger.error('the runner pool did not close', { error });
    });
  }
}
