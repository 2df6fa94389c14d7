import { MIB, silentLogger, systemClock } from '@fnfleet/core';
import type { Placer, RunnerPool } from '@fnfleet/placement';
import { type CallPlacement, FleetPlacement } from './call/call-placement.js';
import { DefaultLbAgent, placementTiming } from './call/default-lb-agent.js';
import type { LbAgent, LbAgentOptions } from './lb-agent.js';

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
