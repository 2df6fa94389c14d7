import { STATUS_CODES } from 'node:http';
import { ERRORS, type ErrorCode, type ErrorEntry } from '@fnfleet/core';
import { CALL_OPERATIONS } from './call-operations.js';
import {
  type Answer,
  CALLER_ERRORS,
  COMMON_ERRORS,
  HEADERS,
  OPERATOR_ERRORS,
  type Operation,
  PATH_PARAMETERS,
  type Parameter,
  TAGS,
} from './operation.js';
import { API_OPERATIONS } from './operations.js';
import { errorsIn, SCHEMAS, type SchemaName } from './schemas.js';

/** A JSON object of the document. */
export type Json = Readonly<Record<string, unknown>>;

/** An OpenAPI 3.1 document, as far as this module makes use of it. */
export interface OpenApiDocument {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly servers: readonly Json[];
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly paths: Readonly<Record<string, PathItem>>;
  readonly components: { readonly schemas: Readonly<Record<string, Json>>; readonly [kind: string]: Json };
}

export type DocumentMethod = Lowercase<Operation['method']>;

export type PathItem = Readonly<Partial<Record<DocumentMethod, DocumentOperation>>> & {
  readonly servers?: readonly Json[];
};

export interface DocumentOperation {
  readonly operationId: string;
  readonly tags: readonly [string];
  readonly summary: string;
  readonly description?: string;
  readonly security: readonly Json[];
  readonly parameters: readonly (Parameter & { readonly in: string })[];
  readonly requestBody?: Json;
  readonly responses: Readonly<Record<string, DocumentResponse>>;
}

export interface DocumentResponse {
  readonly description: string;
  readonly headers?: Json;
  readonly content?: Readonly<Record<string, Json>>;
}

/** The errors of a response, by the names of its examples. */
export function errorsOfResponse({ content }: DocumentResponse): ErrorCode[] {
  return Object.keys(content?.['application/json']?.examples ?? {}) as ErrorCode[];
}

/** The version of the API, which is part of its paths. */
const VERSION = '2.0.0';

/**
 * The OpenAPI document of a node.
 * @param publicLbUrl base URL of the balancers (`FN_PUBLIC_LB_URL`); empty: the node itself
 */
export function openApiDocument(publicLbUrl = ''): OpenApiDocument {
  const operations = { ...API_OPERATIONS, ...CALL_OPERATIONS } as Readonly<Record<string, Operation>>;
  const paths = Object.groupBy(Object.entries(operations), ([, { path }]) => documentPath(path));
  return {
    openapi: '3.1.0',
    info: {
      title: 'fnfleet',
      version: VERSION,
      description:
        'Apps, functions and triggers of a fleet, and calls of functions. PUT merges. `ETag` and `If-Match` keep two clients from overwriting each other. `x-errors` of a field names the errors of its checks, which are examples of the responses; `x-max-bytes` and `x-max-json-bytes` are limits in bytes of UTF-8.',
    },
    servers: [{ url: '/', description: 'The node that serves this document.' }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths: mapValues(paths as Record<string, [string, Operation][]>, (sharers) => ({
      ...(sharers.some(([, { tag }]) => tag === 'Calls') ? { servers: balancers(publicLbUrl) } : {}),
      ...Object.fromEntries(
        sharers.map(([id, operation]) => [operation.method.toLowerCase(), described(id, operation)]),
      ),
    })),
    components: {
      schemas: SCHEMAS,
      examples: mapValues(ERRORS, ({ doc, text }) => ({ summary: doc, value: { message: text } })),
      securitySchemes: {
        operatorToken: {
          type: 'http',
          scheme: 'bearer',
          description:
            'The operator token of the node (FN_OPERATOR_TOKEN). A node without token and TLS requires none.',
        },
        mutualTLS: { type: 'mutualTLS', description: 'A client certificate that the CA of the fleet has signed.' },
      },
    },
  };
}

/** `/t/:app_name/*source` as a path of the document: `/t/{app_name}/{source}`. */
export function documentPath(template: string): string {
  return template.replace(/[:*](\w+)/g, '{$1}');
}

function balancers(publicLbUrl: string): Json[] {
  return [{ url: publicLbUrl || '/', description: 'A balancer or a full node.' }];
}

function described(operationId: string, operation: Operation): DocumentOperation {
  const { tag, summary, description, path, query = [], headers = [], body, answers } = operation;
  const isCall = tag === 'Calls';
  return {
    operationId,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    security: isCall ? [{ mutualTLS: [] }, {}] : [{ operatorToken: [] }, { mutualTLS: [] }],
    parameters: [
      ...[...path.matchAll(/[:*](\w+)/g)].map(([, name = '']) => ({
        name,
        in: 'path',
        required: true as const,
        description: PATH_PARAMETERS[name] ?? '',
        schema: { type: 'string' },
      })),
      ...query.map((parameter) => ({ ...parameter, in: 'query' })),
      ...headers.map((parameter) => ({ ...parameter, in: 'header' })),
    ],
    ...(body === undefined ? {} : { requestBody: requestBody(body) }),
    responses: {
      ...mapValues(answers, response),
      ...('default' in answers ? {} : errorResponses(errorsOf(operation))),
    },
  };
}

function requestBody(body: SchemaName | 'any'): Json {
  if (body === 'any') return { content: { '*/*': {} } };
  return { required: true, content: { 'application/json': { schema: refTo(body) } } };
}

function response({ description, body, orText = false, headers = [] }: Answer): DocumentResponse {
  return {
    description,
    ...(headers.length === 0 ? {} : { headers: headersOf(headers) }),
    ...(body === undefined
      ? {}
      : {
          content: {
            [body.type]: { schema: refTo(body.schema) },
            ...(orText && { 'text/plain': { schema: refTo('text') } }),
          },
        }),
  };
}

function refTo(schema: SchemaName | 'text' | 'object'): Json {
  if (schema === 'object') return { type: 'object' };
  return schema === 'text' ? { type: 'string' } : { $ref: `#/components/schemas/${schema}` };
}

/** Every error with which an operation may end. */
function errorsOf({ tag, errors, body }: Operation): ErrorCode[] {
  const access = tag === 'Calls' ? CALLER_ERRORS : OPERATOR_ERRORS;
  // A change is merged, and the whole is checked by the rules of a creation.
  const rules = body === undefined || body === 'any' ? [] : ['invalidJson', ...errorsIn(asNew(body))];
  return [...new Set([...access, ...COMMON_ERRORS, ...errors, ...(rules as ErrorCode[])])].filter(
    (code) => code !== 'clientCancelled',
  );
}

function asNew(body: SchemaName): SchemaName {
  return body.replace(/^(\w+)Change$/, 'New$1') as SchemaName;
}

/** One response for each status, with an example for each error. */
function errorResponses(codes: readonly ErrorCode[]): Record<string, DocumentResponse> {
  const byStatus = Object.groupBy(codes, (code) => ERRORS[code].status);
  return Object.fromEntries(
    Object.entries(byStatus).map(([status, group = []]) => {
      const entries: ErrorEntry[] = group.map((code) => ERRORS[code]);
      const waits = entries.some(({ retryAfterSeconds }) => retryAfterSeconds !== undefined);
      const described: DocumentResponse = {
        description: STATUS_CODES[status] ?? '',
        ...(waits ? { headers: headersOf(['Retry-After']) } : {}),
        content: errorContent(group),
      };
      return [status, described];
    }),
  );
}

function errorContent(codes: readonly ErrorCode[]): Record<string, Json> {
  const examples = Object.fromEntries(codes.map((code) => [code, { $ref: `#/components/examples/${code}` }]));
  return { 'application/json': { schema: refTo('Error'), examples } };
}

function headersOf(names: readonly string[]): Json {
  return Object.fromEntries(names.map((name) => [name, HEADERS[name]]));
}

function mapValues<A, B>(of: Readonly<Record<string, A>>, map: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(of).map(([key, value]) => [key, map(value)]));
}
