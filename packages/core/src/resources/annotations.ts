import { z } from 'zod';
import type { ErrorCode } from '../errors/table.js';
import { ASYNC_ANNOTATION, problemOfAsyncPolicy } from '../models/async-policy.js';
import type { Annotations } from '../models/call.js';
import { isEmptyValue } from '../models/maps.js';
import { type Rule, rule, ruled } from './rules.js';

const MAX_KEY_BYTES = 128;
const MAX_VALUE_BYTES = 512;
const MAX_KEYS = 100;
const KEY = /^[!-~]+$/;

/** Rules about single keys come before the one about their number. */
const RULES: Rule<Annotations>[] = [
  everyEntry('annotationKeyInvalid', (key) => KEY.test(key), {
    propertyNames: { type: 'string', pattern: KEY.source, maxLength: MAX_KEY_BYTES },
  }),
  everyEntry('annotationKeyTooLong', (key) => key.length <= MAX_KEY_BYTES),
  everyEntry('annotationValueInvalid', (_key, value) => !isEmptyValue(value) && measure(value) !== 'not a number'),
  everyEntry('annotationValueTooLong', (_key, value) => measure(value) === 'fits', {
    additionalProperties: { 'x-max-json-bytes': MAX_VALUE_BYTES },
  }),
  rule('annotationsTooMany', (annotations) => Object.keys(annotations).length <= MAX_KEYS, { maxProperties: MAX_KEYS }),
];

/** Of a function, or of an app for its functions. */
export const ASYNC_RULE: Rule<Annotations> = {
  code: 'asyncPolicyInvalid',
  violation({ [ASYNC_ANNOTATION]: value }) {
    const problem = value === undefined ? undefined : problemOfAsyncPolicy(value);
    return problem === undefined ? undefined : { problem };
  },
};

/** @param own rules about annotations that have a meaning for this kind of resource */
export function annotationsField(description: string, own: readonly Rule<Annotations>[] = []) {
  return ruled(z.record(z.string(), z.unknown()), [...RULES, ...own], {
    description: `${description} A change is merged key by key; an empty text or null removes its key.`,
    examples: [{ 'example.com/team': 'payments' }],
  });
}

/** Whether a value is within the size limit, as compact JSON. */
export function fitsAnnotation(value: unknown): boolean {
  return measure(value) === 'fits';
}

function everyEntry(code: ErrorCode, holds: (key: string, value: unknown) => boolean, says = {}): Rule<Annotations> {
  return rule(code, (annotations) => Object.entries(annotations).every(([key, value]) => holds(key, value)), says);
}

function measure(value: unknown): 'fits' | 'too long' | 'not a number' {
  try {
    return Buffer.byteLength(JSON.stringify(value, finite)) <= MAX_VALUE_BYTES ? 'fits' : 'too long';
  } catch (error) {
    if (error instanceof InfiniteNumber) return 'not a number';
    // Nested too deeply to serialize, and therefore far too long.
    if (error instanceof RangeError) return 'too long';
    throw error;
  }
}

class InfiniteNumber extends Error {}

/** `1e400` in a body is a number that would be serialized as `null`. */
function finite(_key: string, value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new InfiniteNumber();
  return value;
}
