import { Registry } from '@fnfleet/core';
import { choosePlacer, placers } from '@fnfleet/placement';
import type { Contender } from './contender.js';
import { dispatched } from './dispatched.js';
import { hiku } from './hiku.js';
import { homeInvoker } from './home-invoker.js';
import { sweepHash, sweepNaive } from './sweep.js';

/** What `--placers` can select: ours, and those that they are measured against. */
export const contenders = new Registry<Contender>('--placers', 'placer', [
  ...placers.names.map((name) => dispatched(placers.get(name))),
  sweepNaive,
  sweepHash,
  homeInvoker,
  hiku,
]);

/**
 * What `--placers` selects: one of those, or a file with a placer of the user's own when it begins with `./`, `../` or `/`.
 * @throws SettingsError as `contenders` and `choosePlacer` do
 */
export function chooseContender(choice: string): Contender {
  return /^\.{0,2}\//.test(choice) ? dispatched(choosePlacer(choice)) : contenders.get(choice);
}
