import type { Annotations } from './call.js';

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
