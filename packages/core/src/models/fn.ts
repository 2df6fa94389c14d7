import type { WallMs } from '../clock.js';
import { formatDate } from '../dates.js';
import { FnError } from '../errors/fn-error.js';
import { mergeAnnotations, validateAnnotations } from './annotations.js';
import { parseBody } from './body-json.js';
import type { Annotations, Config } from './call.js';
import { validateConfig, validateConfigInput } from './config.js';
import { validateIdempotent } from './idempotent.js';
import { problemOfImage } from './image-name.js';
import { mergeConfig, sortedOrAbsent } from './maps.js';
import { PATH_SEGMENT, validateName } from './names.js';
import { type Dated, revised } from './revision.js';
import { validateStandby } from './standby.js';

/** A function: an image and the limits of its calls. */
export interface Fn extends Dated {
  id: string;
  /** Unique within its app; never changes. */
  name: string;
  /** Never changes. */
  appId: string;
  image: string;
  memoryMb: number;
  timeoutSeconds: number;
  idleTimeoutSeconds: number;
  config: Config;
  annotations: Annotations;
  /** The shape of the app when the function was created. */
  shape: string;
}

/** The fields of a function that a client sent. Undefined means "not given". */
export type FnInput = Partial<Fn>;

/** Default limits, by the names of the API, in MiB and seconds. */
export const DEFAULT_LIMITS = { memory: 128, timeout: 30, idle_timeout: 30 } as const;

/** More than host, name, tag and digest can have together. */
const MAX_IMAGE_BYTES = 1024;
const MAX_MEMORY_MB = 8192;
const MAX_TIMEOUT_SECONDS = 300;
const MAX_IDLE_TIMEOUT_SECONDS = 3600;

const INT32_MIN = -(2 ** 31);
const INT32_MAX = 2 ** 31 - 1;
const UINT64_MAX = 2 ** 64 - 1;

/** @throws FnError `invalidJson` */
export function parseFnInput(json: string): FnInput {
  const fields = parseBody(json);
  return {
    id: fields.text('id'),
    name: fields.text('name'),
    appId: fields.text('app_id'),
    image: fields.text('image'),
    memoryMb: fields.whole('memory', 0, UINT64_MAX),
    timeoutSeconds: fields.whole('timeout', INT32_MIN, INT32_MAX),
    idleTimeoutSeconds: fields.whole('idle_timeout', INT32_MIN, INT32_MAX),
    config: fields.config('config'),
    annotations: fields.annotations('annotations'),
    shape: fields.text('shape'),
    createdAt: fields.date('created_at'),
    updatedAt: fields.date('updated_at'),
  };
}

/** Reads the function in a response of an API node. */
export function parseFn(json: string): Fn {
  return completeFn(parseFnInput(json));
}

/**
 * Creates a function from what a client sent. Limits that are absent or 0 get their defaults; the store fills in the shape
 * from the app.
 * @throws FnError for the first problem
 */
export function newFn(input: FnInput, id: string, now: WallMs): Fn {
  if (input.id) throw new FnError('fnIdProvided');
  const fn: Fn = { ...completeFn(input), id, shape: '', createdAt: now, updatedAt: now };
  validateConfigInput(input.config);
  validateFn(fn);
  validateImage(fn.image);
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
  validateConfigInput(change.config);
  validateFn(next);
  if (next.image !== current.image) validateImage(next.image);
  return revised(current, next, (fn) => JSON.stringify(fnToJson(fn)), now);
}

/**
 * Fields in the order that clients expect, and without those that they expect to be absent.
 * @param emptyConfig value for a configuration without keys: `{}` for a function that was just created, otherwise `null`
 */
export function fnToJson(fn: Fn, emptyConfig: Config | null = null): object {
  return {
    id: fn.id,
    name: fn.name,
    app_id: fn.appId,
    image: fn.image,
    memory: fn.memoryMb,
    timeout: fn.timeoutSeconds,
    idle_timeout: fn.idleTimeoutSeconds,
    config: sortedOrAbsent(fn.config) ?? emptyConfig,
    annotations: sortedOrAbsent(fn.annotations),
    created_at: formatDate(fn.createdAt),
    updated_at: formatDate(fn.updatedAt),
    shape: fn.shape || undefined,
  };
}

function completeFn(input: FnInput): Fn {
  return {
    id: input.id ?? '',
    name: input.name ?? '',
    appId: input.appId ?? '',
    image: input.image ?? '',
    memoryMb: input.memoryMb || DEFAULT_LIMITS.memory,
    timeoutSeconds: input.timeoutSeconds || DEFAULT_LIMITS.timeout,
    idleTimeoutSeconds: input.idleTimeoutSeconds || DEFAULT_LIMITS.idle_timeout,
    config: input.config ?? {},
    annotations: input.annotations ?? {},
    shape: input.shape ?? '',
    createdAt: input.createdAt,
    updatedAt: input.updatedAt,
  };
}

function validateFn(fn: Fn): void {
  if (fn.appId === '') throw new FnError('fnAppIdMissing');
  validateName(fn.name, PATH_SEGMENT, {
    missing: 'fnNameMissing',
    tooLong: 'fnNameTooLong',
    invalid: 'fnNameInvalid',
  });
  if (fn.image === '') throw new FnError('fnImageMissing');
  if (Buffer.byteLength(fn.image) > MAX_IMAGE_BYTES) throw new FnError('fnImageTooLong');
  if (!within(fn.timeoutSeconds, MAX_TIMEOUT_SECONDS)) throw new FnError('fnTimeoutInvalid');
  if (!within(fn.idleTimeoutSeconds, MAX_IDLE_TIMEOUT_SECONDS)) throw new FnError('fnIdleTimeoutInvalid');
  if (!within(fn.memoryMb, MAX_MEMORY_MB)) throw new FnError('fnMemoryInvalid');
  validateConfig(fn.config);
  validateAnnotations(fn.annotations);
  validateStandby(fn.annotations);
  validateIdempotent(fn.annotations);
}

function validateImage(image: string): void {
  const problem = problemOfImage(image);
  if (problem !== undefined) throw new FnError('fnImageInvalid', { params: { image, problem } });
}

function within(value: number, max: number): boolean {
  return value >= 1 && value <= max;
}
