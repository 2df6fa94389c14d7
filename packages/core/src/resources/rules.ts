import { z } from 'zod';
import { parseDate } from '../dates.js';
import { FnError, type FnErrorOptions } from '../errors/fn-error.js';
import { ERRORS, type ErrorCode } from '../errors/table.js';
import { parseBody } from '../models/body-json.js';

/**
 * How the schemas of resources are written. A schema serves three purposes: it types what clients send, it checks a resource with
 * the errors of the table, and it becomes the JSON schema of the OpenAPI document.
 *
 * R1  A value of the wrong type is `invalidJson`, before any rule counts.
 * R2  Rules apply to the whole resource, after a change was merged into it, and the first broken one is reported. The order of the
 *     fields in a schema, and of the rules of a field, is the order of the checks.
 */

/** Part of a JSON schema. */
export type SchemaPart = Readonly<Record<string, unknown>>;

type ErrorParams = NonNullable<FnErrorOptions['params']>;

export interface Rule<T> {
  readonly code: ErrorCode;
  /** Parameters for the text of the error, if the value breaks the rule; otherwise undefined. */
  readonly violation: (value: T) => ErrorParams | undefined;
  /** The rule in the words of JSON schema, as far as it has any. */
  readonly says?: SchemaPart;
}

/** A rule whose error text has no parameters. */
export function rule<T>(code: ErrorCode, holds: (value: T) => boolean, says: SchemaPart = {}): Rule<T> {
  return { code, violation: (value) => (holds(value) ? undefined : {}), says };
}

/**
 * Adds rules to a type. `doc` goes into the JSON schema with what the rules say; `x-errors` lists their errors, after those that
 * `doc` names.
 */
export function ruled<S extends z.ZodType>(type: S, rules: readonly Rule<z.output<S>>[], doc: SchemaPart): S {
  const checked = rules.reduce<S>(
    (schema, { code, violation }) =>
      schema.check(({ value, issues }) => {
        const params = violation(value);
        if (params !== undefined) issues.push({ code: 'custom', message: code, params, input: value });
      }),
    type,
  );
  const { 'x-errors': others = [], ...rest } = doc;
  const codes = [...(others as ErrorCode[]), ...rules.map(({ code }) => code)].filter((code) => code !== 'invalidJson');
  return checked.meta(
    Object.assign({}, ...rules.map(({ says }) => says), rest, codes.length === 0 ? {} : { 'x-errors': codes }),
  );
}

export function text(rules: readonly Rule<string>[], doc: SchemaPart): z.ZodString {
  return ruled(z.string(), rules, doc);
}

/** @param wire bounds of the number on the wire; outside it is `invalidJson` */
export function whole(
  wire: { readonly min: number; readonly max: number },
  rules: readonly Rule<number>[],
  doc: SchemaPart,
): z.ZodNumber {
  const fits = (value: number) => Number.isInteger(value) && value >= wire.min && value <= wire.max;
  return ruled(z.number(), [rule('invalidJson', fits), ...rules], { type: 'integer', ...doc });
}

/** Set by the server. Clients may send it back, and the zero date of Fn's clients counts as absent. */
export function serverDate(description: string): z.ZodString {
  return text([rule('invalidJson', isDate)], {
    description,
    format: 'date-time',
    readOnly: true,
    examples: ['2026-01-24T10:00:00.123Z'],
  });
}

/** Byte limits have no keyword in JSON schema: `maxLength`, in characters, is the larger of the two. */
export function maxBytes(max: number, code: ErrorCode): Rule<string> {
  return rule(code, (value) => Buffer.byteLength(value) <= max, { maxLength: max, 'x-max-bytes': max });
}

export function notEmpty(code: ErrorCode): Rule<string> {
  return rule(code, (value) => value !== '', { minLength: 1 });
}

export function matches(pattern: RegExp, code: ErrorCode): Rule<string> {
  return rule(code, (value) => pattern.test(value), { pattern: pattern.source });
}

export function oneOf(values: readonly string[], code: ErrorCode): Rule<string> {
  return rule(code, (value) => values.includes(value), { enum: values });
}

/**
 * Reads the fields of a schema from a request body (`parseBody`): names in any case, `null` for absent, unknown ones ignored.
 * Only types are checked here (R1).
 * @throws FnError `invalidJson`
 */
export function readBody<S extends z.ZodObject>(schema: S, json: string): z.input<S> {
  const fields = parseBody(json);
  const given = Object.keys(schema.shape).flatMap((name) => {
    const value = fields.raw(name);
    // Databases keep no half of a surrogate pair, and Fn replaces it as well.
    return value === undefined ? [] : [[name, typeof value === 'string' ? value.toWellFormed() : value]];
  });
  const body: unknown = Object.fromEntries(given);
  const wrong = problemsOf(schema, body).find(({ message }) => message === 'invalidJson');
  if (wrong === undefined) return body as z.input<S>;
  throw new FnError('invalidJson', { cause: new TypeError(`field ${wrong.path.join('.')}: ${wrong.code}`) });
}

/**
 * Checks a whole resource, in its JSON form.
 * @throws FnError for the first broken rule (R2)
 */
export function checkResource(schema: z.ZodObject, resource: object): void {
  const [first] = problemsOf(schema, resource);
  if (first === undefined) return;
  const { message: code } = first;
  throw new FnError(isErrorCode(code) ? code : 'invalidJson', { params: first.code === 'custom' ? first.params : {} });
}

/** An RFC 3339 date of a body; undefined for the zero date. */
export function dateOf(text: string | undefined) {
  return text === undefined ? undefined : parseDate(text);
}

function problemsOf(schema: z.ZodObject, value: unknown): readonly z.core.$ZodIssue[] {
  return schema.safeParse(value, { error: () => 'invalidJson' }).error?.issues ?? [];
}

function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERRORS, text);
}

function isDate(text: string): boolean {
  try {
    parseDate(text);
    return true;
  } catch {
    return false;
  }
}

/** The JSON schema (2020-12) of a schema, as clients may send it: every field is optional. */
export function jsonSchemaOf(schema: z.ZodObject): SchemaPart {
  const { $schema: _version, ...json } = z.toJSONSchema(schema, { io: 'input' });
  return json;
}
