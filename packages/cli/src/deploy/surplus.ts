import { DEFAULT_LIMITS, isDeployedAnnotation } from '@fnfleet/core';
import type { FnRef, FnSpec, TriggerRef } from '../api-client.js';
import { deployedNames, isDeployedTrigger } from './managed.js';

/** Annotations that an API node generates. */
const COMPUTED = 'fnproject.io/';
const LIMITS = ['memory', 'timeout', 'idle_timeout'] as const;

/** What a function has and its func.yaml does not. Names are human-readable: `config KEY`, `memory 512`. */
export interface Surplus {
  /** Set by an earlier deployment; may be removed. */
  readonly names: readonly string[];
  /** Set by somebody else; is kept. */
  readonly others: readonly string[];
  readonly triggers: readonly TriggerRef[];
  /**
   * The change that removes `names` except triggers from the function. Maps are merged, and an empty string removes a
   * key.
   */
  readonly removal: Partial<FnSpec>;
  /** The names to record as deployed while `names` stay, except triggers. */
  readonly kept: readonly string[];
}

/**
 * Finds what func.yaml does not name: limits, keys of maps and triggers, which a plain deployment leaves unchanged.
 * @param triggers those of the function that func.yaml does not name
 */
export function surplusOf(existing: FnRef | undefined, spec: FnSpec, triggers: readonly TriggerRef[]): Surplus {
  const limits = LIMITS.filter((limit) => {
    const value = existing?.[limit];
    return value !== undefined && !spec[limit] && value !== DEFAULT_LIMITS[limit];
  });
  const config = keysBeside(existing?.config, spec.config);
  const annotations = keysBeside(existing?.annotations, spec.annotations).filter(
    (key) => !key.startsWith(COMPUTED) && !isDeployedAnnotation(key),
  );
  const deployed = deployedNames(existing);
  const ours = {
    limits: limits.filter((limit) => deployed.has(limit)),
    config: config.filter((key) => deployed.has(configName(key))),
    annotations: annotations.filter((key) => deployed.has(annotationName(key))),
    triggers: triggers.filter(isDeployedTrigger),
  };
  const all = namesOf({ limits, config, annotations, triggers }, existing);
  const names = namesOf(ours, existing);
  return {
    names,
    others: all.filter((name) => !names.includes(name)),
    triggers: ours.triggers,
    removal: {
      ...Object.fromEntries(ours.limits.map((limit) => [limit, DEFAULT_LIMITS[limit]])),
      ...(ours.config.length > 0 ? { config: emptied(ours.config) } : {}),
      ...(ours.annotations.length > 0 ? { annotations: emptied(ours.annotations) } : {}),
    },
    kept: [...ours.limits, ...ours.config.map(configName), ...ours.annotations.map(annotationName)],
  };
}

/** The names that a func.yaml sets, in the format of `deployedNames`. */
export function namesIn(spec: FnSpec): readonly string[] {
  return [
    ...LIMITS.filter((limit) => spec[limit]),
    ...Object.keys(spec.config ?? {}).map(configName),
    ...Object.keys(spec.annotations ?? {}).map(annotationName),
  ];
}

interface Parts {
  readonly limits: readonly (typeof LIMITS)[number][];
  readonly config: readonly string[];
  readonly annotations: readonly string[];
  readonly triggers: readonly TriggerRef[];
}

function namesOf({ limits, config, annotations, triggers }: Parts, existing: FnRef | undefined): string[] {
  return [
    ...limits.map((limit) => `${limit} ${existing?.[limit]}`),
    ...config.map(configName),
    ...annotations.map(annotationName),
    ...triggers.map(({ name }) => `trigger ${name}`),
  ];
}

function configName(key: string): string {
  return `config ${key}`;
}

function annotationName(key: string): string {
  return `annotation ${key}`;
}

function keysBeside(existing: object | null | undefined, wanted: object = {}): string[] {
  return Object.keys(existing ?? {}).filter((key) => !Object.hasOwn(wanted, key));
}

function emptied(keys: readonly string[]): Record<string, string> {
  return Object.fromEntries(keys.map((key) => [key, '']));
}
