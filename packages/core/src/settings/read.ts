import { readSmallFileSync } from '../files.js';
import { type Setting, SettingProblem, type SettingsOf, type SettingsShape } from './declare.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** All problems of an environment in one message. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';

  constructor(readonly problems: readonly string[]) {
    super(problems.length === 1 ? problems[0] : `${problems.length} settings are wrong:\n  ${problems.join('\n  ')}`);
  }
}

/**
 * Reads a complete, frozen set of settings, or throws one SettingsError that lists every problem.
 * An empty variable counts as unset, except for settings that may not be empty. `<NAME>_FILE` names a file that holds the
 * value instead. A setting that was renamed is also read from its former name.
 */
export function readSettings<S extends SettingsShape>(shape: S, env: Environment): SettingsOf<S> {
  const values: Record<string, unknown> = {};
  const problems: string[] = [];
  const given = new Set<string>();
  for (const [key, setting] of Object.entries(shape)) {
    try {
      const { text, name } = lookUp(setting, env);
      if (text !== undefined) given.add(setting.name);
      values[key] = text === undefined ? setting.fallback() : parse(setting, text, name);
    } catch (error) {
      if (!(error instanceof SettingProblem)) throw error;
      problems.push(error.message);
    }
  }
  for (const setting of Object.values(shape)) problems.push(...eitherOr(setting, given));
  if (problems.length > 0) throw new SettingsError(problems);
  return Object.freeze(values) as SettingsOf<S>;
}

/** Reads every valid setting, and uses the default in place of an invalid one; undefined if there is no default. */
export function readWhatFits<S extends SettingsShape>(shape: S, env: Environment): Partial<SettingsOf<S>> {
  const values: Record<string, unknown> = {};
  for (const [key, setting] of Object.entries(shape)) {
    const readings = [() => lookUp(setting, env).text, () => undefined].map((text) => () => {
      const given = text();
      return given === undefined ? setting.fallback() : setting.parse(given);
    });
    for (const read of readings) {
      try {
        values[key] = read();
        break;
      } catch (error) {
        if (!(error instanceof SettingProblem)) throw error;
      }
    }
  }
  return values as Partial<SettingsOf<S>>;
}

/** Problems of a setting that can replace another. */
function eitherOr({ name, insteadOf }: Setting<unknown>, given: ReadonlySet<string>): string[] {
  if (insteadOf === undefined || given.has(name) !== given.has(insteadOf)) return [];
  return given.has(name)
    ? [`${insteadOf}, ${name}: only one of them may be set`]
    : [`${insteadOf}: required, or ${name} in its place`];
}

/** Returns the text of a setting and the name of the variable that has it, the current or the former one. */
function lookUp(setting: Setting<unknown>, env: Environment): { text: string | undefined; name: string } {
  const { name, formerly } = setting;
  const text = textOf(name, setting, env);
  const former = formerly === undefined ? undefined : textOf(formerly, setting, env);
  if (former === undefined || formerly === undefined) return { text, name };
  if (text === undefined) return { text: former, name: formerly };
  if (text === former) return { text, name };
  throw new SettingProblem(`${name}, ${formerly}: the second is the former name of the first, and their values differ`);
}

function parse<T>(setting: Setting<T>, text: string, name: string): T {
  try {
    return setting.parse(text);
  } catch (error) {
    if (name === setting.name || !(error instanceof SettingProblem)) throw error;
    throw new SettingProblem(`${error.message} (from ${name}, its former name)`);
  }
}

/** The value of a variable, or of the file that `<NAME>_FILE` names. Undefined when neither is set. */
function textOf(name: string, { mayBeEmpty }: Setting<unknown>, env: Environment): string | undefined {
  const direct = env[name]?.trim();
  if (direct || (direct === '' && !mayBeEmpty)) return direct;
  const path = env[`${name}_FILE`]?.trim();
  if (!path) return undefined;
  try {
    return readSmallFileSync(path).trim() || undefined;
  } catch (error) {
    throw new SettingProblem(`${name}_FILE: cannot read ${JSON.stringify(path)}: ${(error as Error).message}`);
  }
}
