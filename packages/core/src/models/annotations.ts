import { FnError } from '../errors/fn-error.js';
import type { Annotations } from './call.js';
import { mergeMap } from './maps.js';

const MAX_KEY_BYTES = 128;
const MAX_VALUE_BYTES = 512;
const MAX_KEYS = 100;

/**
 * Checks a set of annotations.
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

/**
 * Whether a value is within the size limit, as compact JSON.
 * @throws FnError `annotationValueInvalid` if it contains a number that JSON cannot represent
 */
export function fitsAnnotation(value: unknown): boolean {
  let json: string;
  try {
    json = JSON.stringify(value, finite);
  } catch (error) {
    // Nested too deeply to serialize, and therefore far too long.
    if (error instanceof RangeError) return false;
    throw error;
  }
  return Buffer.byteLength(json) <= MAX_VALUE_BYTES;
}

/** `1e400` in a body is a number that would be serialized as `null`. */
function finite(_key: string, value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new FnError('annotationValueInvalid');
  return value;
}

/** Merges key by key; the empty text and `null` delete. */
export function mergeAnnotations(current: Annotations, change: Annotations | undefined): Annotations {
  return mergeMap(current, change, isEmptyValue);
}

function isEmptyValue(value: unknown): boolean {
  return value === '' || value === null;
}
