import { Registry } from '@fnfleet/core';
import { placers } from '@fnfleet/placement';
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
