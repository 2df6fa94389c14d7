import { FnError } from '../errors/fn-error.js';
import type { Annotations } from './call.js';

/** Set to true by the owner of a function whose calls may run more than once. */
export const IDEMPOTENT_ANNOTATION = 'fnfleet/idempotent';

/** False unless the function's owner said so. What is not a boolean counts as false: it came past the API. */
export function isIdempotent(annotations: Annotations): boolean {
  return annotations[IDEMPOTENT_ANNOTATION] === true;
}

/** @throws FnError `fnIdempotentInvalid` */
export function validateIdempotent(annotations: Annotations): void {
  const value = annotations[IDEMPOTENT_ANNOTATION];
  if (value !== undefined && typeof value !== 'boolean') throw new FnError('fnIdempotentInvalid');
}
