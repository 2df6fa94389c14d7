import { z } from 'zod';
import type { WallMs } from '../clock.js';
import { FnError } from '../errors/fn-error.js';
import { ASYNC_ANNOTATION, ASYNC_SCHEMA } from '../models/async-policy.js';
import { CALLBACKS_ANNOTATION, problemOfCallbacks } from '../models/callbacks.js';
import { completeFn, DEFAULT_LIMITS, type Fn, fnToJson, INT32_MAX, INT32_MIN, UINT64_MAX } from '../models/fn.js';
import { problemOfImage } from '../models/image-name.js';
import { mergeAnnotations, mergeConfig } from '../models/maps.js';
import { IDEMPOTENT_ANNOTATION, isStandby, MAX_STANDBY, STANDBY_ANNOTATION } from '../models/own-annotations.js';
import { revised } from '../models/revision.js';
import { ASYNC_RULE, annotationsField } from './annotations.js';
import { SHAPES } from './app.js';
import { checkConfigKeys, configField, configOf } from './config.js';
import { nameRules, PATH_SEGMENT } from './names.js';
import {
  checkResource,
  dateOf,
  maxBytes,
  notEmpty,
  type Rule,
  readBody,
  rule,
  serverDate,
  text,
  whole,
} from './rules.js';

/** More than host, name, tag and digest can have together. */
const MAX_IMAGE_BYTES = 1024;
const MAX_MEMORY_MB = 8192;
const MAX_TIMEOUT_SECONDS = 300;
const MAX_IDLE_TIMEOUT_SECONDS = 3600;

const INT32 = { min: INT32_MIN, max: INT32_MAX };

/** Clients may send 0 for the default, so the document allows it; a stored limit is never 0. */
function limitRule(max: number, code: 'fnTimeoutInvalid' | 'fnIdleTimeoutInvalid' | 'fnMemoryInvalid') {
  return rule<number>(code, (value) => value >= 1 && value <= max, { minimum: 0, maximum: max });
}

const CALLBACKS_RULE: Rule<Fn['annotations']> = {
  code: 'fnCallbacksInvalid',
  violation({ [CALLBACKS_ANNOTATION]: value }) {
    const problem = value === undefined ? undefined : problemOfCallbacks(value);
    return problem === undefined ? undefined : { problem };
  },
};

const CALLBACK_TARGET = {
  type: 'object',
  properties: {
    url: { type: 'string', description: 'Receives a signed POST request.', format: 'uri' },
    fn_id: { type: 'string', description: 'A function that is called asynchronously.' },
  },
  minProperties: 1,
  maxProperties: 1,
  additionalProperties: false,
};

const ANNOTATIONS_WITH_MEANING = [
  rule<Fn['annotations']>(
    'fnStandbyInvalid',
    ({ [STANDBY_ANNOTATION]: value }) => value === undefined || isStandby(value),
    {
      properties: {
        [STANDBY_ANNOTATION]: {
          description: 'How many containers each runner keeps started after the first call.',
          type: 'integer',
          minimum: 0,
          maximum: MAX_STANDBY,
        },
        [IDEMPOTENT_ANNOTATION]: {
          description: 'Whether a call may run again when its runner is lost before it answered.',
          type: 'boolean',
        },
        [ASYNC_ANNOTATION]: ASYNC_SCHEMA,
        [CALLBACKS_ANNOTATION]: {
          description: 'Where the outcome of each asynchronous call is sent.',
          type: 'object',
          properties: { on_success: CALLBACK_TARGET, on_failure: CALLBACK_TARGET },
          minProperties: 1,
          additionalProperties: false,
        },
      },
    },
  ),
  rule<Fn['annotations']>(
    'fnIdempotentInvalid',
    ({ [IDEMPOTENT_ANNOTATION]: value }) => value === undefined || typeof value === 'boolean',
  ),
  ASYNC_RULE,
  CALLBACKS_RULE,
];

/** A function in requests and responses. Fields are in the order of their checks. */
export const fnSchema = z
  .object({
    app_id: text([notEmpty('fnAppIdMissing')], {
      description: 'The app it belongs to. Never changes: ignored in a change.',
      examples: ['01D1ZVPBKV180G40RZJ0000001'],
    }),
    name: text(
      nameRules(PATH_SEGMENT, { missing: 'fnNameMissing', tooLong: 'fnNameTooLong', invalid: 'fnNameInvalid' }),
      {
        description: 'Unique within its app. Never changes: ignored in a change.',
        examples: ['checkout'],
      },
    ),
    image: text([notEmpty('fnImageMissing'), maxBytes(MAX_IMAGE_BYTES, 'fnImageTooLong')], {
      description: 'Image of its containers: `[registry/]repository[:tag][@digest]`.',
      examples: ['registry.example.com/shop/checkout:1.4'],
      // By checkImage.
      'x-errors': ['fnImageInvalid'],
    }),
    timeout: whole(INT32, [limitRule(MAX_TIMEOUT_SECONDS, 'fnTimeoutInvalid')], {
      description: 'Time limit of a call, in seconds. 0 is the default when created, and no change in a change.',
      default: DEFAULT_LIMITS.timeout,
    }),
    idle_timeout: whole(INT32, [limitRule(MAX_IDLE_TIMEOUT_SECONDS, 'fnIdleTimeoutInvalid')], {
      description: 'How long a container stays after its last call, in seconds. 0 as for `timeout`.',
      default: DEFAULT_LIMITS.idle_timeout,
    }),
    memory: whole({ min: 0, max: UINT64_MAX }, [limitRule(MAX_MEMORY_MB, 'fnMemoryInvalid')], {
      description: 'Memory of a container, in MiB. 0 as for `timeout`.',
      default: DEFAULT_LIMITS.memory,
    }),
    config: configField('Environment variables of its containers, in addition to those of the app.'),
    annotations: annotationsField(
      'Facts about the function, for people and tools; sent with its calls.',
      ANNOTATIONS_WITH_MEANING,
    ),
    shape: text([], {
      description: 'Processor architectures, copied from the app when the function was created.',
      readOnly: true,
      enum: SHAPES,
    }),
    id: text([], { description: 'Chosen by the server.', readOnly: true, examples: ['01D1ZVPBKV180G40RZJ0000002'] }),
    created_at: serverDate('When it was created.'),
    updated_at: serverDate('When it last changed.'),
  })
  .partial()
  .meta({ description: 'A function: an image and the limits of its calls.' });

/** A function as a client sends it. */
export type FnBody = z.input<typeof fnSchema>;

/** The fields of a function that a client sent. Undefined means "not given". */
export type FnInput = Partial<Fn>;

/** @throws FnError `invalidJson` */
export function parseFnInput(json: string): FnInput {
  const { app_id, memory, timeout, idle_timeout, config, created_at, updated_at, ...same } = readBody(fnSchema, json);
  return {
    ...same,
    appId: app_id,
    memoryMb: memory,
    timeoutSeconds: timeout,
    idleTimeoutSeconds: idle_timeout,
    config: configOf(config),
    createdAt: dateOf(created_at),
    updatedAt: dateOf(updated_at),
  };
}

/**
 * Creates a function from what a client sent. Limits that are absent or 0 get their defaults; the store fills in the shape
 * from the app.
 * @throws FnError for the first problem
 */
export function newFn(input: FnInput, id: string, now: WallMs): Fn {
  if (input.id) throw new FnError('fnIdProvided');
  const fn: Fn = { ...completeFn(input), id, shape: '', createdAt: now, updatedAt: now };
  checkConfigKeys(input.config);
  checkResource(fnSchema, fnToJson(fn, {}));
  checkImage(fn.image);
  return fn;
}

/**
 * Applies a change to a function: maps are merged key by key, image and limits are replaced unless empty or 0. A name or app in
 * the change is ignored.
 * @throws FnError as for a new function
 */
export function changedFn(current: Fn, change: FnInput, now: WallMs): Fn {
  const next: Fn = {
    ...current,
    image: change.image || current.image,
    memoryMb: change.memoryMb || current.memoryMb,
    timeoutSeconds: change.timeoutSeconds || current.timeoutSeconds,
    idleTimeoutSeconds: change.idleTimeoutSeconds || current.idleTimeoutSeconds,
    config: mergeConfig(current.config, change.config),
    annotations: mergeAnnotations(current.annotations, change.annotations),
  };
  checkConfigKeys(change.config);
  checkResource(fnSchema, fnToJson(next, {}));
  if (next.image !== current.image) checkImage(next.image);
  return revised(current, next, (fn) => JSON.stringify(fnToJson(fn)), now);
}

/** Names stored by earlier releases stay valid. */
function checkImage(image: string): void {
  const problem = problemOfImage(image);
  if (problem !== undefined) throw new FnError('fnImageInvalid', { params: { image, problem } });
}
