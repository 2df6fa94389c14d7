import { type CallOutcome, COMPLETED, failedCall, type Logger, MIB, silentLogger, systemClock } from '@fnfleet/core';
import {
  Dispatcher,
  type DispatcherDeps,
  type FleetStatus,
  type Outlook,
  type PlacementOutcome,
  type Placer,
  type RunnerPool,
} from '@fnfleet/placement';
import { DefaultLbAgent, placementTiming } from './call/default-lb-agent.js';
import type { LbCall } from './call/lb-call.js';
import type { CallPlacement, LbAgent, LbAgentOptions } from './lb-agent.js';

/** Creates an agent that owns the pool: closing the agent closes it. */
export function newLbAgent(pool: RunnerPool, placer: Placer, options: LbAgentOptions = {}): LbAgent {
  const { clock = systemClock, logger = silentLogger, random = Math.random } = options;
  const timing = placementTiming(options);
  const limits = options.queueLimits ?? { maxCalls: 10_000, maxBytes: 256 * MIB };
  const { health } = options;
  return newLbAgentWithPlacement(
    new FleetPlacement({ pool, placer, clock, timing, limits, health, random }, logger),
    options,
  );
}

/** Creates an agent with a custom placement, which it owns: closing the agent closes it. */
export function newLbAgentWithPlacement(placement: CallPlacement, options: LbAgentOptions = {}): LbAgent {
  return new DefaultLbAgent(placement, options);
}

/** Places calls on the runners of a pool. Closing it closes the pool. */
class FleetPlacement implements CallPlacement {
  readonly countsCalls = false;

  private readonly dispatcher: Dispatcher;

  constructor(
    private readonly deps: DispatcherDeps,
    private readonly logger: Logger,
  ) {
    this.dispatcher = new Dispatcher({ ...deps, onTrouble: (what) => logger.warn(what) });
  }

  place(call: LbCall): Promise<CallOutcome> {
    return this.dispatcher.place(call, call.signal).then(outcomeOf);
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

function outcomeOf(placement: PlacementOutcome): CallOutcome {
  return placement.kind === 'finished' ? COMPLETED : failedCall(placement.error);
}
