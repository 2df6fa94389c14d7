import { FnError } from '../errors/fn-error.js';
import type { Annotations } from './call.js';
import { mergeMap } from './maps.js';

const MAX_KEY_BYTES = 128;
const MAX_VALUE_BYTES = 512;
const MAX_KEYS = 100;

/**
 * What every set of annotations has to keep to.
 * @throws FnError `annotation…`; errors of single keys come before the one about their number
 */
export function validateAnnotations(annotations: Annotations): void {
  for (const [key, value] of Object.entries(annotations)) {
    if (!/^[!-~]+$/.test(key)) throw new FnError('annotationKeyInvalid');
    if (key.length > MAX_KEY_BYTES) throw new FnError('annotationKeyTooLong');
    if (isEmptyValue(value)) throw new FnError('annotationValueInvalid');
    if (!fitsAnnotation(value)) throw new FnError('annotationValueTooLong');
  }
  if (Object.keys(annotations).length > MAX_KEYS) throw new FnError('annotationsTooMany');
}

/** Whether a value is within the size limit, as compact JSON. */
export function fitsAnnotation(value: unknown): boolean {
  return Buffer.byteLength(JSON.stringify(value)) <= MAX_VALUE_BYTES;
}

/** Key by key; the empty text and `null` delete. */
export function mergeAnnotations(current: Annotations, change: Annotations | undefined): Annotations {
  return mergeMap(current, change, isEmptyValue);
}

function isEmptyValue(value: unknown): boolean {
  return value === '' || value === null;
}
