import type { Annotations } from './call.js';

/** The owner of a function sets it to true if calls may run more than once. */
export const IDEMPOTENT_ANNOTATION = 'fnfleet/idempotent';

/** False unless the owner of the function set it. A value that is not a boolean bypassed the API and counts as false. */
export function isIdempotent(annotations: Annotations): boolean {
  return annotations[IDEMPOTENT_ANNOTATION] === true;
}
