import {
  type Environment,
  readSettings,
  readWhatFits,
  SettingsError,
  type SettingsOf,
  type SettingsShape,
  silentLogger,
} from '@fnfleet/core';
import { httpSettings } from '@fnfleet/http';
import { commonSettings } from './common-settings.js';
import type { Role } from './role.js';
import { roleSecurity } from './role-security.js';
import { telemetrySettings } from './telemetry/telemetry-settings.js';

const everyRole = { ...commonSettings, ...httpSettings, ...telemetrySettings };

/**
 * Everything that can be known to be wrong with the settings of a role before it starts: values that do not fit, and values
 * that fit and mean nothing, or nothing together.
 * @param role undefined: which one it is cannot be read
 * @throws SettingsError that lists all of it
 */
export function checkSettings(role: Role | undefined, env: Environment): void {
  const shape: SettingsShape = { ...role?.settings, ...everyRole };
  const problems: string[] = [];
  collect(problems, () => readSettings(shape, env));
  const fitting = readWhatFits(shape, env);
  const common = readWhatFits(everyRole, env) as SettingsOf<typeof everyRole>;
  collect(problems, () => roleSecurity(common, silentLogger).close());
  // What is wrong beside the certificates.
  const plain = { ...common, tlsCert: undefined, tlsKey: undefined, tlsCa: undefined, allowInsecure: true };
  collect(problems, () => roleSecurity(plain, silentLogger).close());
  for (const check of role?.checks?.(fitting) ?? []) collect(problems, check);
  if (problems.length > 0) throw new SettingsError(problems);
}

/** What is wrong with values of a role that fit, and mean nothing to it. */
export function meaninglessSettings(role: Role, env: Environment): readonly string[] {
  const problems: string[] = [];
  for (const check of role.checks?.(readWhatFits({ ...role.settings }, env)) ?? []) collect(problems, check);
  return problems;
}

/** Adds what a check finds. Of a setting that is wrong already nothing more is said. */
function collect(problems: string[], check: () => unknown): void {
  const known = new Set(problems.flatMap(settingsIn));
  try {
    check();
  } catch (error) {
    if (error instanceof SettingsError) {
      problems.push(...error.problems.filter((problem) => !settingsIn(problem).some((name) => known.has(name))));
    } else if (problems.length === 0) throw error; // else it may come of what is wrong already
  }
}

/** Which settings a problem is about: they stand before its first colon. */
function settingsIn(problem: string): string[] {
  const words = problem.slice(0, problem.indexOf(':')).split(/[^A-Z0-9_]/);
  return words.filter((word) => word.includes('_'));
}
