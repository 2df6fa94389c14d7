import { isDeepStrictEqual } from 'node:util';
import { isDeployedAnnotation } from '@fnfleet/core';
import type { AppState } from './desired-state.js';

export type Annotated = Pick<AppState, 'annotations'>;
/** What apps and functions have in common. */
export type Mapped = Annotated & Pick<AppState, 'config'>;
type Values = Readonly<Record<string, unknown>>;

/** The change of annotations for the API; empty if there is none. */
export function annotationsChange(now: Annotated, value: Annotated): object {
  return mapChange('annotations', now.annotations, withDeployed(now, value));
}

export function annotationLines(now: Annotated, value: Annotated): string[] {
  return differencesOf('annotations', now.annotations, withDeployed(now, value), JSON.stringify);
}

/** The records of `fnfleet deploy` stay, unless the folder has them too. */
function withDeployed(now: Annotated, value: Annotated): Values {
  const records = Object.entries(now.annotations).filter(([key]) => isDeployedAnnotation(key));
  return { ...Object.fromEntries(records), ...value.annotations };
}

/** The change of a map for the API, in which an empty text removes a key; empty if there is none. */
export function mapChange(field: string, before: Values, after: Values): object {
  const entries = changedKeys(before, after).map((key) => [key, Object.hasOwn(after, key) ? after[key] : '']);
  return entries.length === 0 ? {} : { [field]: Object.fromEntries(entries) };
}

/**
 * One line for each key that differs.
 * @param show returns undefined for a value that is not to be seen
 */
export function differencesOf(
  field: string,
  before: Values,
  after: Values,
  show: (value: unknown) => string | undefined,
): string[] {
  return changedKeys(before, after).map((key) => {
    const name = `${field}.${key}`;
    if (!Object.hasOwn(after, key)) return `${name}: removed`;
    const [old, next] = [Object.hasOwn(before, key) ? show(before[key]) : undefined, show(after[key])];
    if (!Object.hasOwn(before, key)) return next === undefined ? `${name}: added` : `${name}: ${next}`;
    return next === undefined ? `${name}: changed` : `${name}: ${old} -> ${next}`;
  });
}

function changedKeys(before: Values, after: Values): string[] {
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys].filter((key) => !isDeepStrictEqual(ownValue(before, key), ownValue(after, key))).sort();
}

function ownValue(values: Values, key: string): unknown {
  return Object.hasOwn(values, key) ? values[key] : undefined;
}

export function scalarLines(fields: Readonly<Record<string, readonly [before: unknown, after: unknown]>>): string[] {
  return Object.entries(fields)
    .filter(([, [before, after]]) => before !== after)
    .map(([name, [before, after]]) => `${name}: ${JSON.stringify(before)} -> ${JSON.stringify(after)}`);
}
