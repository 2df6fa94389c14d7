import type { WallMs } from '../clock.js';
import { parseDate } from '../dates.js';
import { canonicalHeader, type HeaderMap } from '../headers.js';
import type { Annotations, Config } from './call.js';

/** Creates the error for a value of the wrong type. */
export type FieldProblem = (message: string) => Error;

/**
 * Typed reading of a JSON object from a client or a peer: names match in any case, unknown ones are ignored, and `null` means
 * absent. Every reader returns undefined for an absent field and throws the given problem for a wrong type.
 */
export class Fields {
  private readonly values: Readonly<Record<string, unknown>>;

  constructor(
    value: unknown,
    private readonly problem: FieldProblem,
  ) {
    if (!isObject(value)) throw problem(`expected an object, got ${describe(value)}`);
    this.values = isLowerCase(value) ? value : lowerCase(value);
  }

  /** The value, unchecked. */
  raw(name: string): unknown {
    return this.values[name] ?? undefined;
  }

  text(name: string): string | undefined {
    const value = this.raw(name);
    return value === undefined || typeof value === 'string' ? value : this.fail(name, 'text', value);
  }

  /** A whole number within both bounds. */
  whole(name: string, min: number, max: number): number | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    const fits = typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max;
    return fits ? value : this.fail(name, `a whole number from ${min} to ${max}`, value);
  }

  /** The zero date counts as absent. */
  date(name: string): WallMs | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    try {
      return parseDate(value);
    } catch {
      return this.fail(name, 'a date', value);
    }
  }

  /** A `null` inside is read as the empty text. */
  config(name: string): Config | undefined {
    const config = this.object(name);
    for (const key in config) {
      const value = config[key];
      if (value === null) config[key] = '';
      else if (typeof value !== 'string') this.fail(`${name}.${key}`, 'text', value);
    }
    return config as Config | undefined;
  }

  annotations(name: string): Annotations | undefined {
    return this.object(name);
  }

  headers(name: string): HeaderMap | undefined {
    const given = this.object(name);
    if (given === undefined) return undefined;
    const headers: HeaderMap = {};
    for (const key in given) {
      const values = given[key];
      if (!isTextList(values)) this.fail(`${name}.${key}`, 'a list of texts', values);
      // Clients choose the names, so properties are defined and not assigned: `__proto__` is a header like any other.
      const header = canonicalHeader(key);
      if (header === '__proto__') Object.defineProperty(headers, header, { value: values, enumerable: true });
      else headers[header] = values;
    }
    return headers;
  }

  private object(name: string): Record<string, unknown> | undefined {
    const value = this.raw(name);
    return value === undefined || isObject(value) ? value : this.fail(name, 'an object', value);
  }

  private fail(name: string, expected: string, value: unknown): never {
    throw this.problem(`field ${name}: expected ${expected}, got ${describe(value)}`);
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isLowerCase(fields: Record<string, unknown>): boolean {
  for (const key in fields) if (key !== key.toLowerCase()) return false;
  return true;
}

/** Of names that differ only in case the last one counts, except for `null`. */
function lowerCase(fields: Record<string, unknown>): Record<string, unknown> {
  const lowered: Record<string, unknown> = Object.create(null);
  for (const key in fields) if (fields[key] !== null) lowered[key.toLowerCase()] = fields[key];
  return lowered;
}

function isTextList(value: unknown): value is string[] {
  if (!Array.isArray(value)) return false;
  for (const item of value) if (typeof item !== 'string') return false;
  return true;
}

function describe(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'a list' : typeof value;
}
