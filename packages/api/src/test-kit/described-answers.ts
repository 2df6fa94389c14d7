import { ERRORS, type ErrorCode } from '@fnfleet/core';
import Ajv, { type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import {
  type DocumentMethod,
  type DocumentOperation,
  type DocumentResponse,
  errorsOfResponse,
  type Json,
  type OpenApiDocument,
  openApiDocument,
} from '../openapi/document.js';

/** A response with what was requested. */
export interface SeenAnswer {
  readonly method: string;
  /** As sent, with the query. */
  readonly path: string;
  /** The request had an `Origin`: CORS may answer in place of the route. */
  readonly hasOrigin?: boolean;
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly text: string;
}

/**
 * Compares responses with the OpenAPI document: status, content type, headers, body, and the text of errors. It is stricter than
 * the document in one point: a body has no fields beyond those described.
 */
export class DescribedAnswers {
  private readonly paths: readonly { readonly pattern: RegExp; readonly item: OpenApiDocument['paths'][string] }[];
  private readonly ajv = new Ajv({ strict: true, allowUnionTypes: true, allErrors: true });
  /** Operations and statuses that were seen, as `getApp 200`. */
  readonly seen = new Set<string>();

  constructor(document: OpenApiDocument = openApiDocument()) {
    this.paths = Object.entries(document.paths).map(([path, item]) => ({ pattern: patternOf(path), item }));
    addFormats.default(this.ajv);
    this.ajv.addVocabulary(['components', 'x-errors', 'x-max-bytes', 'x-max-json-bytes']);
    const schemas = Object.entries(document.components.schemas).map(([name, schema]) => [name, withoutOthers(schema)]);
    this.ajv.addSchema({ $id: 'document', components: { schemas: Object.fromEntries(schemas) } });
  }

  /** @throws Error that says what the document does not describe */
  check(answer: SeenAnswer): void {
    const problem = this.problemOf(answer);
    if (problem === undefined) return;
    const { method, path, status, text } = answer;
    throw new Error(`the document does not describe ${method} ${path} ${status}: ${problem}\n${text.slice(0, 500)}`);
  }

  private problemOf(answer: SeenAnswer): string | undefined {
    const { method, path, status, text } = answer;
    const plain = plainPath(path);
    if (plain === undefined || !plain.startsWith('/v2/')) return undefined;
    if (answer.hasOrigin && text === '') return undefined;
    const item = this.paths.find(({ pattern }) => pattern.test(plain))?.item;
    if (item === undefined) {
      if ([301, 307].includes(status)) return answer.headers.get('location') ? undefined : 'a redirect to nowhere';
      return this.problemOfError(answer, ['pathNotFound', 'headersTooBig', 'badRequest', 'hostUnknown', 'foreignPage']);
    }
    const operation = item[method.toLowerCase() as DocumentMethod];
    if (operation === undefined) {
      // A response to HEAD has no body to look at.
      if (method === 'HEAD') return status === 405 ? undefined : 'a method that is not described';
      return this.problemOfError(answer, ['methodNotAllowed', 'operatorOnly', 'foreignPage']);
    }
    this.seen.add(`${operation.operationId} ${status}`);
    return this.problemOfOperation(answer, operation);
  }

  private problemOfOperation(answer: SeenAnswer, { responses }: DocumentOperation): string | undefined {
    const response = responses[answer.status];
    if (response === undefined) return `its statuses are ${Object.keys(responses).join(', ')}`;
    const missing = Object.keys(response.headers ?? {}).find(
      // Only some errors say when to try again.
      (name) => name !== 'Retry-After' && answer.headers.get(name) === null,
    );
    if (missing !== undefined) return `the header ${missing} is missing`;
    const errors = errorsOfResponse(response);
    if (errors.length > 0) return this.problemOfError(answer, errors);
    return this.problemOfBody(answer, response);
  }

  private problemOfBody(
    { text, headers }: Pick<SeenAnswer, 'text' | 'headers'>,
    { content }: DocumentResponse,
  ): string | undefined {
    const type = headers.get('content-type')?.split(';')[0];
    if (content === undefined) return text === '' && type === undefined ? undefined : `a body, of type ${type}`;
    const described = type === undefined ? undefined : content[type];
    if (described === undefined) return `the type ${type}; expected ${Object.keys(content).join(', ')}`;
    if (type !== 'application/json') return undefined;
    const validate = this.validator(described.schema as Json);
    return validate(JSON.parse(text)) ? undefined : this.ajv.errorsText(validate.errors);
  }

  private problemOfError(answer: SeenAnswer, codes: readonly ErrorCode[]): string | undefined {
    const schema = { $ref: '#/components/schemas/Error' };
    const problem = this.problemOfBody(answer, { description: '', content: { 'application/json': { schema } } });
    if (problem !== undefined) return problem;
    const { message } = JSON.parse(answer.text) as { message: string };
    const isOne = codes.some((code) => ERRORS[code].status === answer.status && textOf(code).test(message));
    return isOne ? undefined : `the error is none of ${codes.join(', ')}`;
  }

  private validator(schema: Json): ValidateFunction {
    const { $ref } = schema;
    if (typeof $ref !== 'string') return this.ajv.compile(schema);
    const found = this.ajv.getSchema(`document${$ref}`);
    if (found === undefined) throw new Error(`the document has no ${$ref}`);
    return found;
  }
}

function patternOf(path: string): RegExp {
  const escaped = path.replace(/[.*+?^$()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replace('{trigger_source}', '.*').replace(/\{\w+\}/g, '[^/]+')}$`, 's');
}

/** Undefined if the path is not well encoded. */
function plainPath(path: string): string | undefined {
  try {
    return decodeURIComponent(path.split('?')[0] ?? '');
  } catch {
    return undefined;
  }
}

function withoutOthers(schema: Json): Json {
  return schema.properties === undefined ? schema : { ...schema, additionalProperties: false };
}

/** What the text of an error may be, with any parameters. */
function textOf(code: ErrorCode): RegExp {
  const parts = ERRORS[code].text.split(/\{\w+\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's');
}
