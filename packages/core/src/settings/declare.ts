import { printableLine } from '../printable.js';
import { parseDuration } from '../units.js';

/**
 * A setting, declared once as data: its variable, unit, default and description. Reading, `--help` and
 * `docs/configuration.md` are derived from the declaration.
 */
export interface Setting<T> {
  readonly name: string;
  /** Description of valid values, also used in the message about an invalid one. */
  readonly expects: string;
  /** Description of the default. */
  readonly defaultText: string;
  readonly doc: string;
  /** True if an empty variable counts as unset, false if it is an error. */
  readonly mayBeEmpty: boolean;
  /** Secrets are never printed. */
  readonly secret: boolean;
  /** Another variable that this one can replace; exactly one of the two must be set. */
  readonly insteadOf: string | undefined;
  /** The former name of the variable, which is accepted for one release. */
  readonly formerly: string | undefined;
  /** Returns the default. Throws SettingProblem if the setting is required. */
  fallback(): T;
  /** Throws SettingProblem if the text is not valid. */
  parse(text: string): T;
}

export type SettingsShape = Readonly<Record<string, Setting<unknown>>>;
export type SettingsOf<S extends SettingsShape> = {
  readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never;
};

/** How many characters of a wrong value are shown. */
const MAX_SHOWN = 200;
/** How many characters of the explanation of a `structured` parser are shown. */
const MAX_WHY = 1000;
/** Not valid in names, addresses or paths, and a token with one cannot be sent in a header. */
const CONTROLS = /\p{Cc}/u;

/** One problem with the environment. */
export class SettingProblem extends Error {}

interface Common<T> {
  readonly doc: string;
  readonly default?: T;
  /** Description of the default, if it depends on the machine. */
  readonly defaultText?: string;
  readonly required?: boolean;
  readonly secret?: boolean;
  readonly insteadOf?: string;
  readonly formerly?: string;
}

type Value<T, O extends Common<T>> = O extends { default: T } | { required: true } ? T : T | undefined;

export function text<const O extends Common<string>>(name: string, options: O): Setting<Value<string, O>> {
  return make(name, 'text', options, (value) => {
    if (CONTROLS.test(value)) throw new SettingProblem('it contains control characters');
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

/** The largest limit that Docker accepts, a signed 64-bit number. */
const MAX_LIMIT = 2n ** 63n - 1n;

/**
 * A limit that Fn reads as an unsigned 64-bit number and passes to Docker as a signed one. Infinity means no limit, for values
 * above the signed range. Unlike other settings it must not be empty, because an empty limit is probably a mistake.
 */
export function limit<const O extends Common<number>>(
  name: string,
  { unit, ...options }: O & { unit?: string },
): Setting<Value<number, O>> {
  const expects = `a whole number${unit ? ` of ${unit}` : ''} from 0 to ${2n ** 64n - 1n}`;
  const setting = make<number, O>(name, expects, options as O, (value) => {
    if (!/^\+?\d+$/.test(value) || BigInt(value) >= 2n ** 64n) throw new SettingProblem();
    if (BigInt(value) > MAX_LIMIT) return Number.POSITIVE_INFINITY;
    // Above the largest safe integer the difference does not matter.
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

/** Returns milliseconds; the text has a unit. */
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
        if (CONTROLS.test(item.trim())) throw new SettingProblem('it contains control characters');
        return item.trim();
      })
      .filter((item) => item !== ''),
  );
}

/** Any other format. `parse` throws an error that says what is wrong; its message must not quote a secret. */
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

export interface SettingsSection {
  readonly title: string;
  readonly intro: string;
  readonly shape: SettingsShape;
}

/** The tables of `docs/configuration.md`. */
export function renderSettings(sections: readonly SettingsSection[]): string {
  return sections
    .map(({ title, intro, shape }) => {
      const rows = Object.values(shape).map(
        ({ name, expects, defaultText, doc, formerly }) =>
          `| \`${name}\` | ${expects} | ${defaultText} | ${doc}${formerly ? ` Formerly \`${formerly}\`.` : ''} |`,
      );
      return [
        `## ${title}`,
        '',
        intro,
        '',
        '| Variable | Value | Default | Meaning |',
        '|---|---|---|---|',
        ...rows,
        '',
      ].join('\n');
    })
    .join('\n');
}
