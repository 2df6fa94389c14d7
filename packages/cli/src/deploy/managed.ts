import { DEPLOYED_ANNOTATION, isDeployedAnnotation } from '@fnfleet/core';
import type { Annotations, FnRef, TriggerRef } from '../api-client.js';

export const DEPLOYED_TRIGGER: Annotations = { [DEPLOYED_ANNOTATION]: true };

/** Maximum bytes of a list as JSON: an API node accepts 512 bytes for an annotation. */
const MAX_PART_BYTES = 512;
/** Maximum parts of a list: an API node accepts 100 annotations. Names beyond that count as set by somebody else. */
const MAX_PARTS = 40;

export function isDeployedTrigger({ annotations }: TriggerRef): boolean {
  return annotations?.[DEPLOYED_ANNOTATION] === true;
}

/** The names that earlier deployments have set on a function: `memory`, `config KEY`, `annotation KEY`. */
export function deployedNames(fn: FnRef | undefined): ReadonlySet<string> {
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
