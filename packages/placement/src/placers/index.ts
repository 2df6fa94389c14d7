import { Registry } from '@fnfleet/core';
import type { PlacerFactory } from '../placer.js';
import { consistentHash } from './consistent-hash.js';
import { fnConsistentHash } from './fn-consistent-hash.js';
import { naive } from './naive.js';

/** What `FN_PLACER` can select. */
export const placers = new Registry<PlacerFactory>('FN_PLACER', 'placer', [naive, consistentHash, fnConsistentHash]);
