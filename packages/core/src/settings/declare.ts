import { printableLine } from '../printable.js';
import { parseDuration } from '../units.js';

/**
 * A setting is declared once, as data: its variable, unit, default and text. Reading, `--help` and
 * `docs/configuration.md` all come from the declaration.
 */
export interface Setting<T> {
  readonly name: string;
  /** What a value looks like, in words; also used in the message about a bad one. */
  readonly expects: string;
  /** What applies when the variable is unset, in words. */
  readonly defaultText: string;
  readonly doc: string;
  /** An empty variable counts as unset. Otherwise it is wrong. */
  readonly mayBeEmpty: boolean;
  /** Secrets are never printed. */
  readonly secret: boolean;
  /** The variable that this one is given in place of: exactly one of the two has to be. */
  readonly insteadOf: string | undefined;
  /** The name that it had before; accepted for a release. */
  readonly formerly: string | undefined;
  /** The value when unset. Throws SettingProblem when the setting is required. */
  fallback(): T;
  /** Throws SettingProblem when the text does not fit. */
  parse(text: string): T;
}

export type SettingsShape = Readonly<Record<string, Setting<unknown>>>;
export type SettingsOf<S extends SettingsShape> = {
  readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never;
};

/** Characters of a wrong value that are shown. */
const MAX_SHOWN = 200;
/** Characters of why a value of a form of its own does not fit. */
const MAX_WHY = 1000;
/** No name, address or path has one, and a token with one goes into no header. */
const CONTROLS = /\p{Cc}/u;

/** One thing that is wrong with the environment. */
export class SettingProblem extends Error {}

interface Common<T> {
  readonly doc: string;
  readonly default?: T;
  /** The default in words, where it depends on the machine. */
  readonly defaultText?: string;
  readonly required?: boolean;
  readonly secret?: boolean;
  readonly insteadOf?: string;
  readonly formerly?: string;
}

type Value<T, O extends Common<T>> = O extends { default: T } | { required: true } ? T : T | undefined;

export function text<const O extends Common<string>>(name: string, options: O): Setting<Value<string, O>> {
  return make(name, 'text', options, (value) => {
    if (CONTROLS.test(value)) throw new SettingProblem('it has control characters');
    return value;
  });
}

export function choice<const C extends readonly string[], const O extends Common<C[number]>>(
  name: string,
  choices: C,
  options: O,
): Setting<Value<C[number], O>> {
  return make<C[number], O>(name, `one of ${choices.join(', ')}`, options, (value) => {
    const found = choices.find((candidate) => candidate === value);
    if (found === undefined) throw new SettingProblem();
    return found;
  });
}

export function flag<const O extends Common<boolean>>(name: string, options: O): Setting<Value<boolean, O>> {
  return make<boolean, O>(name, '1 or true, 0 or false', options, (value) => {
    if (['1', 't', 'true'].includes(value.toLowerCase())) return true;
    if (['0', 'f', 'false'].includes(value.toLowerCase())) return false;
    throw new SettingProblem();
  });
}

export function integer<const O extends Common<number> & { min?: number; max?: number }>(
  name: string,
  options: O,
): Setting<Value<number, O>> {
  const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = options;
  const bounded = options.min !== undefined || options.max !== undefined;
  const range = bounded ? ` from ${options.min ?? '-∞'} to ${options.max ?? '∞'}` : '';
  return make<number, O>(name, `a whole number${range}`, options, wholeNumber(min, max));
}

export function bytes<const O extends Common<number>>(name: string, options: O): Setting<Value<number, O>> {
  return make<number, O>(name, 'a whole number of bytes', options, wholeNumber(0, Number.MAX_SAFE_INTEGER));
}

/** The largest limit that Docker takes, a signed 64-bit number. */
const MAX_LIMIT = 2n ** 63n - 1n;

/**
 * A limit that Fn reads as an unsigned 64-bit number and hands to Docker as a signed one. Infinity: none is set, because it
 * was above the signed range. Unlike other settings it may not be empty: an empty limit is one that somebody forgot.
 */
export function limit<const O extends Common<number>>(
  name: string,
  { unit, ...options }: O & { unit?: string },
): Setting<Value<number, O>> {
  const expects = `a whole number${unit ? ` of ${unit}` : ''} from 0 to ${2n ** 64n - 1n}`;
  const setting = make<number, O>(name, expects, options as O, (value) => {
    if (!/^\+?\d+$/.test(value) || BigInt(value) >= 2n ** 64n) throw new SettingProblem();
    if (BigInt(value) > MAX_LIMIT) return Number.POSITIVE_INFINITY;
    // Beyond what a number holds exactly, it makes no difference.
    return Math.min(Number(value), Number.MAX_SAFE_INTEGER);
  });
  return { ...setting, mayBeEmpty: false };
}

export function durationMs<const O extends Common<number> & { negativeIsNever?: boolean }>(
  name: string,
  options: O,
): Setting<Value<number, O>> {
  const never = options.negativeIsNever ?? false;
  const expects = `a whole number of milliseconds${never ? ' (negative: never)' : ''}`;
  const parse = wholeNumber(never ? Number.MIN_SAFE_INTEGER : 0, Number.MAX_SAFE_INTEGER);
  return make<number, O>(name, expects, options, (value) => {
    const parsed = parse(value);
    return parsed < 0 ? Number.POSITIVE_INFINITY : parsed;
  });
}

/** In milliseconds, written with its unit. */
export function duration<const O extends Common<number>>(name: string, options: O): Setting<Value<number, O>> {
  return make<number, O>(name, 'a duration such as 2m5s, or whole seconds', options, (value) => {
    const parsed = parseDuration(value);
    if (parsed === undefined || parsed > Number.MAX_SAFE_INTEGER) throw new SettingProblem();
    return parsed;
  });
}

export function list<const O extends Common<readonly string[]> & { separator?: RegExp }>(
  name: string,
  options: O,
): Setting<Value<readonly string[], O>> {
  const separator = options.separator ?? /,/;
  const expects = options.separator ? 'a list separated by white space' : 'a list separated by commas';
  return make<readonly string[], O>(name, expects, options, (value) =>
    value
      .split(separator)
      .map((item) => {
        if (CONTROLS.test(item.trim())) throw new SettingProblem('it has control characters');
        return item.trim();
      })
      .filter((item) => item !== ''),
  );
}

/** Anything else. `parse` says what is wrong by throwing; its message must not quote a secret. */
export function structured<T, const O extends Common<T>>(
  name: string,
  expects: string,
  parse: (text: string) => T,
  options: O,
): Setting<Value<T, O>> {
  return make<T, O>(name, expects, options, (value) => {
    try {
      return parse(value);
    } catch (error) {
      throw new SettingProblem(printableLine((error as Error).message, MAX_WHY));
    }
  });
}

function wholeNumber(min: number, max: number): (text: string) => number {
  return (value) => {
    const parsed = Number(value);
    if (!/^[+-]?\d+$/.test(value) || parsed < min || parsed > max) throw new SettingProblem();
    return parsed;
  };
}

function make<T, O extends Common<T>>(
  name: string,
  expects: string,
  options: O,
  parse: (text: string) => T,
): Setting<Value<T, O>> {
  return {
    name,
    expects,
    doc: options.doc,
    mayBeEmpty: true,
    secret: options.secret ?? false,
    insteadOf: options.insteadOf,
    formerly: options.formerly,
    defaultText: options.required ? 'required' : (options.defaultText ?? describeDefault(options.default)),
    fallback() {
      if (options.required) throw new SettingProblem(`${name}: required: expected ${expects}. ${options.doc}`);
      return options.default as Value<T, O>;
    },
    parse(value) {
      try {
        return parse(value) as Value<T, O>;
      } catch (error) {
        const got = options.secret ? 'something else' : JSON.stringify(printableLine(value, MAX_SHOWN));
        const why = error instanceof SettingProblem && error.message !== '' ? `: ${error.message}` : '';
        throw new SettingProblem(`${name}: expected ${expects}, got ${got}${why}`);
      }
    },
  };
}

function describeDefault(value: unknown): string {
  if (value === undefined || value === '') return 'unset';
  if (value === Number.POSITIVE_INFINITY) return 'never';
  return Array.isArray(value) ? value.join(' ') : String(value);
}
