import { MIB } from '@fnfleet/core';
import { Dispatcher, type PlacerFactory } from '@fnfleet/placement';
import type { Contender } from './contender.js';

/** The limits that a balancer has by default. */
const LIMITS = { maxCalls: 10_000, maxBytes: 256 * MIB };

/** A placer of ours, in the dispatcher that a balancer runs. */
export function dispatched(factory: PlacerFactory): Contender {
  return {
    name: factory.name,
    doc: factory.doc,
    open: ({ pool, clock, timing, random }) =>
      new Dispatcher({ pool, clock, timing, random, limits: LIMITS, placer: factory.create({ random, clock }) }),
  };
}
