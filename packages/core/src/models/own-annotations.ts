import { ASYNC_ANNOTATION } from './async-policy.js';
import type { Annotations } from './call.js';
import { CALLBACKS_ANNOTATION } from './callbacks.js';

/* The annotations that have a meaning here. All others are the owner's. */

/** How many containers of a function each runner keeps started after its first call. */
export const STANDBY_ANNOTATION = 'fnfleet/standby';
export const MAX_STANDBY = 100;

/** Zero unless the owner of the function set it. An invalid number bypassed the API and counts as zero. */
export function standbyOf(annotations: Annotations): number {
  const value = annotations[STANDBY_ANNOTATION];
  return isStandby(value) ? value : 0;
}

/** A valid value of the annotation. */
export function isStandby(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_STANDBY;
}

/** The owner of a function sets it to true if calls may run more than once. */
export const IDEMPOTENT_ANNOTATION = 'fnfleet/idempotent';

/** False unless the owner of the function set it. A value that is not a boolean bypassed the API and counts as false. */
export function isIdempotent(annotations: Annotations): boolean {
  return annotations[IDEMPOTENT_ANNOTATION] === true;
}

/** The owner of a trigger decides with it how the function is called: `async`, or `sync` whatever the caller asks for. */
export const INVOKE_TYPE_ANNOTATION = 'fnfleet/invoke-type';
export const INVOKE_TYPES = ['sync', 'async'] as const;
export type InvokeType = (typeof INVOKE_TYPES)[number];

/** Undefined unless the owner of the trigger set it: the caller decides. Other values bypassed the API and do not count. */
export function invokeTypeOf(annotations: Annotations): InvokeType | undefined {
  const value = annotations[INVOKE_TYPE_ANNOTATION];
  return isInvokeType(value) ? value : undefined;
}

export function isInvokeType(value: unknown): value is InvokeType {
  return INVOKE_TYPES.some((type) => type === value);
}

/** Options of a trigger of type `schedule`; `resources/schedule.ts` reads and checks them. */
export const SCHEDULE_ANNOTATION = 'fnfleet/schedule';

/**
 * Where `fnfleet deploy` records what it has set, so that a later deploy removes exactly that. On a function it has lists of
 * names, as many as fit in an annotation; on a trigger it is `true`. It has no effect on calls.
 */
export const DEPLOYED_ANNOTATION = 'fnfleet/deployed';

/** `fnfleet/deployed`, `fnfleet/deployed.2` … */
export function isDeployedAnnotation(key: string): boolean {
  return key === DEPLOYED_ANNOTATION || key.startsWith(`${DEPLOYED_ANNOTATION}.`);
}

/** What API nodes alone need to know. */
const OF_API_NODES: ReadonlySet<string> = new Set([ASYNC_ANNOTATION, CALLBACKS_ANNOTATION]);

/**
 * The annotations of a function that are sent with its calls. Others would only make containers of their own: a container serves
 * calls with the same annotations.
 */
export function annotationsOfCalls(annotations: Annotations): Annotations {
  const isSent = (key: string) => !OF_API_NODES.has(key) && !isDeployedAnnotation(key);
  return Object.fromEntries(Object.entries(annotations).filter(([key]) => isSent(key)));
}
