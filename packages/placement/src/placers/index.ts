import { Registry } from '@fnfleet/core';
import type { PlacerFactory } from '../placer.js';
import { consistentHash } from './consistent-hash.js';
import { fnConsistentHash } from './fn-consistent-hash.js';
import { leastLoaded } from './least-loaded.js';
import { naive } from './naive.js';
import { prequal } from './prequal.js';
import { warmFirst } from './warm-first.js';

/** Values of `FN_PLACER`. */
export const placers = new Registry<PlacerFactory>('FN_PLACER', 'placer', [
  naive,
  consistentHash,
  fnConsistentHash,
  leastLoaded,
  warmFirst,
  prequal,
]);
