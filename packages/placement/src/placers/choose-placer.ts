import { createRequire } from 'node:module';
import path from 'node:path';
import { Registry, SettingsError } from '@fnfleet/core';
import type { PlacerFactory } from '../placer.js';
import { consistentHash } from './consistent-hash.js';
import { fnConsistentHash } from './fn-consistent-hash.js';
import { prequal } from './prequal.js';
import { leastLoaded, naive } from './random.js';
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

/**
 * Resolves `FN_PLACER`: the name of a built-in placer, or a file of the user if it begins with `./`, `../` or `/`. The file
 * exports a `PlacerFactory`, as its default or as the module itself; it may be CommonJS or a module without top-level await.
 * @throws SettingsError if there is no such placer, or the file cannot be loaded or exports something else
 */
export function choosePlacer(choice: string): PlacerFactory {
  if (!/^\.{0,2}\//.test(choice)) return placers.get(choice);
  const file = path.resolve(choice);
  let loaded: unknown;
  try {
    loaded = createRequire(file)(file);
  } catch (error) {
    throw new SettingsError([`FN_PLACER: cannot load ${file}: ${(error as Error).message}`]);
  }
  const candidates = [(loaded as { default?: unknown } | undefined)?.default, loaded];
  const found = candidates.find(isFactory);
  if (found !== undefined) return found;
  throw new SettingsError([`FN_PLACER: ${file} does not export a placer: { name, doc, create({ random, clock }) }`]);
}

function isFactory(value: unknown): value is PlacerFactory {
  if (typeof value !== 'object' || value === null) return false;
  return typeof (value as PlacerFactory).name === 'string' && typeof (value as PlacerFactory).create === 'function';
}
