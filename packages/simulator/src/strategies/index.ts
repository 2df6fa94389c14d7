import { Registry } from '@fnfleet/core';
import { choosePlacer, placers } from '@fnfleet/placement';
import { dispatched } from './dispatched.js';
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
