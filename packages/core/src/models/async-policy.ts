import type { Annotations } from './call.js';
import { isObject } from './fields.js';

/** How the asynchronous calls of a function are run. Set by the owner of a function, or of an app for all its functions. */
export const ASYNC_ANNOTATION = 'fnfleet/async';

/** Failures that an owner may let count. Those of the platform never count. */
const RETRY_ON = ['timeout', 'function'] as const;
const DAY_SECONDS = 86_400;
/** Calls that are delayed, or that wait, take room in the queue. */
export const MAX_WAIT_SECONDS = 30 * DAY_SECONDS;

const MAX_ATTEMPTS = 100;
const MAX_CONCURRENCY = 10_000;
const MAX_RATE_CALLS = 1_000_000;
const MAX_PRIORITY = 2;

/** Undefined where the owner has not decided. */
export interface AsyncPolicy {
  readonly attempts?: number;
  readonly backoffMs?: number;
  readonly maxBackoffMs?: number;
  readonly retryOn?: readonly (typeof RETRY_ON)[number][];
  /** From when it may start. */
  readonly maxAgeMs?: number;
  readonly delayMs?: number;
  readonly priority?: 0 | 1 | 2;
  readonly concurrency?: number;
  readonly rate?: { readonly calls: number; readonly perMs: number };
}

/** Checks a field; undefined if it is valid, otherwise what it should be. */
type Check = (value: unknown) => string | undefined;

/** A number of seconds, in milliseconds on disk. */
const seconds = (min: number, max: number): Check => {
  const should = `should be a number of seconds from ${min} to ${max}`;
  return (value) => (typeof value === 'number' && value >= min && value <= max ? undefined : should);
};

const whole = (min: number, max: number): Check => {
  const should = `should be a whole number from ${min} to ${max}`;
  return (value) => (Number.isInteger(value) && Number(value) >= min && Number(value) <= max ? undefined : should);
};

const kinds: Check = (value) => {
  const isKnown = (kind: unknown) => RETRY_ON.some((known) => known === kind);
  const isValid = Array.isArray(value) && value.every(isKnown) && new Set(value).size === value.length;
  return isValid ? undefined : `should be a list of ${RETRY_ON.join(', ')}, each at most once`;
};

const RATE: Readonly<Record<string, Check>> = { calls: whole(1, MAX_RATE_CALLS), per: seconds(0.001, DAY_SECONDS) };

const rate: Check = (value) => {
  const names = Object.keys(RATE);
  if (!isObject(value) || Object.keys(value).length !== names.length || !names.every((name) => name in value)) {
    return 'should be an object with calls and per';
  }
  const wrong = names.find((name) => RATE[name]?.(value[name]) !== undefined);
  return wrong === undefined ? undefined : `has a wrong ${wrong}, which ${RATE[wrong]?.(value[wrong])}`;
};

const FIELDS: Readonly<Record<string, Check>> = {
  attempts: whole(1, MAX_ATTEMPTS),
  backoff: seconds(0, DAY_SECONDS),
  max_backoff: seconds(0, DAY_SECONDS),
  retry_on: kinds,
  max_age: seconds(1, MAX_WAIT_SECONDS),
  delay: seconds(0, MAX_WAIT_SECONDS),
  priority: whole(0, MAX_PRIORITY),
  concurrency: whole(1, MAX_CONCURRENCY),
  rate,
};

/** What is wrong with a value of the annotation; undefined if nothing is. */
export function problemOfAsyncPolicy(value: unknown): string | undefined {
  if (!isObject(value)) return 'it should be an object';
  for (const name of Object.keys(value)) {
    if (!Object.hasOwn(FIELDS, name))
      return `there is no ${JSON.stringify(name)}, only ${Object.keys(FIELDS).join(', ')}`;
    const should = FIELDS[name]?.(value[name]);
    if (should !== undefined) return `${name} ${should}`;
  }
  return undefined;
}

/** The policy of a function. What its owner has not decided, that of the app decides. Values that bypassed the API do not count. */
export function asyncPolicyOf(fn: Annotations, app: Annotations = {}): AsyncPolicy {
  return { ...policyIn(app), ...policyIn(fn) };
}

function policyIn({ [ASYNC_ANNOTATION]: value }: Annotations): AsyncPolicy {
  if (value === undefined || problemOfAsyncPolicy(value) !== undefined) return {};
  const given = value as Readonly<Record<string, number | undefined>> & {
    readonly retry_on?: AsyncPolicy['retryOn'];
    readonly priority?: AsyncPolicy['priority'];
    readonly rate?: { readonly calls: number; readonly per: number };
  };
  const policy: AsyncPolicy = {
    attempts: given.attempts,
    backoffMs: inMs(given.backoff),
    maxBackoffMs: inMs(given.max_backoff),
    retryOn: given.retry_on,
    maxAgeMs: inMs(given.max_age),
    delayMs: inMs(given.delay),
    priority: given.priority,
    concurrency: given.concurrency,
    rate: given.rate && { calls: given.rate.calls, perMs: inMs(given.rate.per) ?? 1 },
  };
  return Object.fromEntries(Object.entries(policy).filter(([, part]) => part !== undefined));
}

function inMs(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : Math.round(1_000 * seconds);
}

const WAIT = { type: 'number', minimum: 0, maximum: MAX_WAIT_SECONDS };
const PAUSE = { type: 'number', minimum: 0, maximum: DAY_SECONDS };

/** The annotation in the words of JSON schema. */
export const ASYNC_SCHEMA = {
  description: 'How asynchronous calls are run. Durations are in seconds.',
  type: 'object',
  properties: {
    attempts: {
      ...{ type: 'integer', minimum: 1, maximum: MAX_ATTEMPTS, default: 3 },
      description: 'Failures until a call is a dead letter.',
    },
    backoff: {
      ...PAUSE,
      default: 1,
      description: 'Pause after the first failure; twice that after the second, and so on.',
    },
    max_backoff: { ...PAUSE, default: 300, description: 'Longest pause.' },
    retry_on: {
      ...{ type: 'array', items: { enum: RETRY_ON }, uniqueItems: true, default: RETRY_ON },
      description: 'Failures after which a call runs again.',
    },
    max_age: {
      ...WAIT,
      minimum: 1,
      description: 'A call that has not started by then, after its delay, is a dead letter.',
    },
    delay: {
      ...WAIT,
      default: 0,
      description: 'How long calls wait before they start; a caller may decide by `Fn-Delay`.',
    },
    priority: {
      type: 'integer',
      minimum: 0,
      maximum: MAX_PRIORITY,
      default: 0,
      description: 'Higher ones start first.',
    },
    concurrency: {
      type: 'integer',
      minimum: 1,
      maximum: MAX_CONCURRENCY,
      description: 'How many calls run at a time.',
    },
    rate: {
      ...{ type: 'object', required: ['calls', 'per'], additionalProperties: false },
      properties: {
        calls: { type: 'integer', minimum: 1, maximum: MAX_RATE_CALLS },
        per: { type: 'number', minimum: 0.001, maximum: DAY_SECONDS },
      },
      description: 'How many calls start in so many seconds.',
    },
  },
  additionalProperties: false,
};
