import { MIB } from '@fnfleet/core';
import { Dispatcher, type PlacerFactory } from '@fnfleet/placement';
import type { Strategy } from './strategy.js';

/** The default limits of a balancer. */
const LIMITS = { maxCalls: 10_000, maxBytes: 256 * MIB };

/** Runs a placer of fnfleet in the dispatcher of a balancer. */
export function dispatched(factory: PlacerFactory): Strategy {
  return {
    name: factory.name,
    doc: factory.doc,
    open: ({ pool, clock, timing, random }) =>
      new Dispatcher({ pool, clock, timing, random, limits: LIMITS, placer: factory.create({ random, clock }) }),
  };
}
