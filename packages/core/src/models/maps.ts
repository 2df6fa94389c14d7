import type { Annotations, Config } from './call.js';

/** Sorts keys in ascending byte order, as in every response and stored row; undefined if the map is empty. */
export function sortedOrAbsent<V>(map: Readonly<Record<string, V>>): Record<string, V> | undefined {
  const keys = Object.keys(map);
  if (keys.length === 0) return undefined;
  keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return Object.fromEntries(keys.map((key) => [key, map[key] as V]));
}

/** Applies a change to a map, key by key; a value for which `deletes` holds removes its key. */
export function mergeMap<V>(
  current: Readonly<Record<string, V>>,
  change: Readonly<Record<string, V>> | undefined,
  deletes: (value: V) => boolean,
): Record<string, V> {
  const merged = new Map(Object.entries(current));
  for (const [key, value] of Object.entries(change ?? {})) {
    if (deletes(value)) merged.delete(key);
    else merged.set(key, value);
  }
  return Object.fromEntries(merged);
}

export function mergeConfig(current: Config, change: Config | undefined): Config {
  return mergeMap(current, change, (value) => value === '');
}

/** The empty text and `null` delete. */
export function mergeAnnotations(current: Annotations, change: Annotations | undefined): Annotations {
  return mergeMap(current, change, isEmptyValue);
}

export function isEmptyValue(value: unknown): boolean {
  return value === '' || value === null;
}
