import { formatDate } from '../dates.js';
import { parseBody } from './body-json.js';
import type { Annotations, Config } from './call.js';
import { sortedOrAbsent } from './maps.js';
import type { Dated } from './revision.js';

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

/** Default limits, by the names of the API, in MiB and seconds. */
export const DEFAULT_LIMITS = { memory: 128, timeout: 30, idle_timeout: 30 } as const;

/** Bounds of the numbers on the wire. */
export const INT32_MIN = -(2 ** 31);
export const INT32_MAX = 2 ** 31 - 1;
export const UINT64_MAX = 2 ** 64 - 1;

/** Reads the function in a response of an API node. `@fnfleet/core/resources` reads and checks what clients send. */
export function parseFn(json: string): Fn {
  const fields = parseBody(json);
  return completeFn({
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
  });
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

/** Fills in what is not given; limits of 0 get their defaults. */
export function completeFn(input: Partial<Fn>): Fn {
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
