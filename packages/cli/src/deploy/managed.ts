import { DEFAULT_LIMITS, DEPLOYED_ANNOTATION, isDeployedAnnotation } from '@fnfleet/core';
import type { Annotations, FnRef, FnSpec, TriggerRef } from '../api-client.js';

export const DEPLOYED_TRIGGER: Annotations = { [DEPLOYED_ANNOTATION]: true };

/** Maximum bytes of a list as JSON: an API node accepts 512 bytes for an annotation. */
const MAX_PART_BYTES = 512;
/** Maximum parts of a list: an API node accepts 100 annotations. Names beyond that count as set by somebody else. */
const MAX_PARTS = 40;

export function isDeployedTrigger({ annotations }: TriggerRef): boolean {
  return annotations?.[DEPLOYED_ANNOTATION] === true;
}

/** The names that earlier deployments have set on a function: `memory`, `config KEY`, `annotation KEY`. */
function deployedNames(fn: FnRef | undefined): ReadonlySet<string> {
  const parts = Object.entries(fn?.annotations ?? {}).filter(([key]) => isDeployedAnnotation(key));
  const lists = parts.flatMap(([, value]) => (Array.isArray(value) ? value : []));
  return new Set(lists.filter((name) => typeof name === 'string'));
}

/** The change of a function's annotations that records these names. An empty string removes a part. */
export function writtenDown(names: Iterable<string>, fn: FnRef | undefined): Annotations {
  const before = Object.keys(fn?.annotations ?? {}).filter(isDeployedAnnotation);
  const parts: string[][] = [];
  for (const name of [...names].sort()) {
    const last = parts.at(-1);
    if (last !== undefined && fits([...last, name])) last.push(name);
    else if (fits([name]) && parts.length < MAX_PARTS) parts.push([name]);
  }
  return {
    ...Object.fromEntries(before.map((key) => [key, ''])),
    ...Object.fromEntries(parts.map((part, index) => [keyOf(index), part])),
  };
}

function keyOf(part: number): string {
  return part === 0 ? DEPLOYED_ANNOTATION : `${DEPLOYED_ANNOTATION}.${part + 1}`;
}

function fits(names: readonly string[]): boolean {
  return Buffer.byteLength(JSON.stringify(names)) <= MAX_PART_BYTES;
}

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
