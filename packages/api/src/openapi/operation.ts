import { ERRORS, type ErrorCode } from '@fnfleet/core';
import type { SchemaName } from './schemas.js';

/** A parameter of a path, a query or the headers. */
export interface Parameter {
  readonly name: string;
  readonly description: string;
  readonly required?: true;
  readonly schema: Readonly<Record<string, unknown>>;
}

export interface Answer {
  readonly description: string;
  /** The body; without it the response has none. */
  readonly body?: { readonly type: string; readonly schema: SchemaName | 'text' | 'object' };
  /** A client may also ask for `text/plain`. */
  readonly orText?: boolean;
  /** Names of HEADERS. */
  readonly headers?: readonly string[];
}

/**
 * One method of one path. `operations.ts` and `queue-operations.ts` are the only places where routes under `/v2` are declared: the
 * routes of a node and the OpenAPI document are made from them.
 */
export interface Operation {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'HEAD' | 'OPTIONS';
  /** Express template: `/v2/apps/:app_id` */
  readonly path: string;
  readonly tag: keyof typeof TAGS;
  readonly summary: string;
  readonly description?: string;
  readonly query?: readonly Parameter[];
  readonly headers?: readonly Parameter[];
  readonly body?: SchemaName | 'any';
  /** By status; errors are in `errors`. */
  readonly answers: Readonly<Record<string, Answer>>;
  /** In addition to those of every request. */
  readonly errors: readonly ErrorCode[];
}

export const TAGS = {
  Apps: 'Groups of functions that share configuration.',
  Functions: 'Images and the limits of their calls.',
  Triggers: 'Paths that call functions.',
  Document: 'The description of this API.',
  Balancers: 'Routes for balancers, those of Fn included.',
  Calls: 'Served by balancers and full nodes, and not by API nodes.',
} as const;

export const PATH_PARAMETERS: Readonly<Record<string, string>> = {
  app_id: 'Id of an app.',
  fn_id: 'Id of a function.',
  trigger_id: 'Id of a trigger.',
  trigger_type: 'Always `http`.',
  trigger_source: 'Source of the trigger. It begins with a slash, so the path has two in a row.',
  call_id: 'Id of a call.',
  app_name: 'Name of an app.',
};

/** Headers of responses. */
export const HEADERS: Readonly<Record<string, Omit<Parameter, 'name'>>> = {
  ETag: {
    description: 'Strong entity tag of the resource, for `If-Match` and `If-None-Match`; the same on every API node.',
    schema: { type: 'string', examples: ['"Lq3nHAXsP8wu1O8vRJKU0g"'] },
  },
  'Fn-Call-Id': {
    description: 'Id of the call, for `fnfleet explain`.',
    schema: { type: 'string', examples: ['01D1ZVPBKV180G40RZJ0000004'] },
  },
  'Fn-Heartbeat-Msecs': {
    description: 'Milliseconds between two signs of life.',
    schema: { type: 'integer', minimum: 1 },
  },
  'Retry-After': { description: 'Seconds after which a retry makes sense.', schema: { type: 'integer', minimum: 1 } },
};

/** Errors of every request to a port. */
export const COMMON_ERRORS: readonly ErrorCode[] = [
  ...(['badRequest', 'hostUnknown', 'foreignPage', 'clientCertRefused', 'requestTimeout'] as const),
  ...(['headersTooBig', 'requestTooBig', 'internal'] as const),
];
export const OPERATOR_ERRORS: readonly ErrorCode[] = ['operatorOnly', 'operatorTokenWrong'];
export const CALLER_ERRORS: readonly ErrorCode[] = ['clientCertMissing'];
export const STORE_ERRORS = (Object.keys(ERRORS) as ErrorCode[]).filter((code) => code.startsWith('database'));

const JSON_TYPE = 'application/json';
export const json = (schema: SchemaName | 'object', description: string, headers: readonly string[] = []): Answer => ({
  description,
  body: { type: JSON_TYPE, schema },
  headers,
});

export const PAGING: readonly Parameter[] = [
  { name: 'cursor', description: '`next_cursor` of the previous page, unchanged.', schema: { type: 'string' } },
  {
    name: 'per_page',
    description: 'Items of a page. More than the maximum counts as the maximum, and nonsense as the default.',
    schema: { type: 'integer', minimum: 1, maximum: 100, default: 30 },
  },
];
export const FN_ID: Parameter = {
  name: 'fn_id',
  description: 'Only those of this function.',
  schema: { type: 'string' },
};
