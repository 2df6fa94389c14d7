import { DEFAULT_LIMITS } from '@fnfleet/core';
import type { FnRef, FnSpec, TriggerRef } from '../api-client.js';

/** Annotations that an API node makes up. */
const COMPUTED = 'fnproject.io/';
const LIMITS = ['memory', 'timeout', 'idle_timeout'] as const;

/** What a function has and its func.yaml does not. */
export interface Surplus {
  /** In words, to be shown: `config KEY`, `memory 512`. */
  readonly names: readonly string[];
  /** What takes it away from the function, triggers aside. Maps are merged, and an empty text removes a key. */
  readonly removal: Partial<FnSpec>;
}

/**
 * Limits that func.yaml does not name stay as they are in the API, and so do keys of maps; each may be there because
 * func.yaml once had it.
 * @param triggers of the function that func.yaml does not name
 */
export function surplusOf(existing: FnRef | undefined, spec: FnSpec, triggers: readonly TriggerRef[]): Surplus {
  const limits = LIMITS.filter((limit) => {
    const value = existing?.[limit];
    return value !== undefined && !spec[limit] && value !== DEFAULT_LIMITS[limit];
  });
  const config = keysBeside(existing?.config, spec.config);
  const annotations = keysBeside(existing?.annotations, spec.annotations).filter((key) => !key.startsWith(COMPUTED));
  return {
    names: [
      ...limits.map((limit) => `${limit} ${existing?.[limit]}`),
      ...config.map((key) => `config ${key}`),
      ...annotations.map((key) => `annotation ${key}`),
      ...triggers.map(({ name }) => `trigger ${name}`),
    ],
    removal: {
      ...Object.fromEntries(limits.map((limit) => [limit, DEFAULT_LIMITS[limit]])),
      ...(config.length > 0 ? { config: emptied(config) } : {}),
      ...(annotations.length > 0 ? { annotations: emptied(annotations) } : {}),
    },
  };
}

function keysBeside(existing: object | null | undefined, wanted: object = {}): string[] {
  return Object.keys(existing ?? {}).filter((key) => !Object.hasOwn(wanted, key));
}

function emptied(keys: readonly string[]): Record<string, string> {
  return Object.fromEntries(keys.map((key) => [key, '']));
}
