import { parseDate } from '../dates.js';
import { canonicalHeader, type HeaderMap } from '../headers.js';
import type { Annotations, Config } from './call.js';

/** Makes the error for a value that is not what its field wants. */
export type FieldProblem = (message: string) => Error;

/**
 * Typed reading of a JSON object from a client or a peer: names match in any case, unknown ones are ignored, and
 * `null` is absence. Every reader returns undefined for an absent field and throws the given problem for a wrong type.
 */
export class Fields {
  private readonly values = new Map<string, unknown>();

  constructor(
    value: unknown,
    private readonly problem: FieldProblem,
  ) {
    if (!isObject(value)) throw problem(`expected an object, got ${describe(value)}`);
    for (const [key, field] of Object.entries(value)) {
      if (field !== null) this.values.set(key.toLowerCase(), field);
    }
  }

  /** The value as it came. */
  raw(name: string): unknown {
    return this.values.get(name);
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

  /** Milliseconds since the epoch; the zero date is as good as absent. */
  date(name: string): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    try {
      return parseDate(value);
    } catch {
      return this.fail(name, 'a date', value);
    }
  }

  /** A `null` inside is the empty text. */
  config(name: string): Config | undefined {
    const entries = this.entries(name)?.map(([key, value]) => {
      if (value !== null && typeof value !== 'string') this.fail(`${name}.${key}`, 'text', value);
      return [key, value ?? ''] as const;
    });
    return entries && Object.fromEntries(entries);
  }

  annotations(name: string): Annotations | undefined {
    const entries = this.entries(name);
    return entries && Object.fromEntries(entries);
  }

  headers(name: string): HeaderMap | undefined {
    const entries = this.entries(name)?.map(([key, values]) => {
      if (!Array.isArray(values) || values.some((value) => typeof value !== 'string')) {
        this.fail(`${name}.${key}`, 'a list of texts', values);
      }
      return [canonicalHeader(key), values as string[]] as const;
    });
    return entries && Object.fromEntries(entries);
  }

  private entries(name: string): [string, unknown][] | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    return isObject(value) ? Object.entries(value) : this.fail(name, 'an object', value);
  }

  private fail(name: string, expected: string, value: unknown): never {
    throw this.problem(`field ${name}: expected ${expected}, got ${describe(value)}`);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function describe(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'a list' : typeof value;
}
