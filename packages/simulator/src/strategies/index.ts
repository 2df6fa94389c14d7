import { MIB, Registry } from '@fnfleet/core';
import { choosePlacer, Dispatcher, type PlacerFactory, placers } from '@fnfleet/placement';
import { hiku } from './hiku.js';
import { homeInvoker } from './home-invoker.js';
import type { Strategy } from './strategy.js';
import { sweepHash, sweepNaive } from './sweep.js';

/** The choices of `--placers`: the placers of fnfleet, and strategies of other systems for comparison. */
export const strategies = new Registry<Strategy>('--placers', 'placer', [
  ...placers.names.map((name) => dispatched(placers.get(name))),
  sweepNaive,
  sweepHash,
  homeInvoker,
  hiku,
]);

/**
 * Resolves a value of `--placers`: a known strategy, or a file with a custom placer if it begins with `./`, `../` or
 * `/`.
 * @throws SettingsError as `strategies` and `choosePlacer` do
 */
export function chooseStrategy(choice: string): Strategy {
  return /^\.{0,2}\//.test(choice) ? dispatched(choosePlacer(choice)) : strategies.get(choice);
}

/** The default limits of a balancer. */
const LIMITS = { maxCalls: 10_000, maxBytes: 256 * MIB };

/** Runs a placer of fnfleet in the dispatcher of a balancer. */
function dispatched(factory: PlacerFactory): Strategy {
  return {
    name: factory.name,
    doc: factory.doc,
    open: ({ pool, clock, timing, random }) =>
      new Dispatcher({ pool, clock, timing, random, limits: LIMITS, placer: factory.create({ random, clock }) }),
  };
}
