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
 * Checks all settings of a role before it starts: each value, and whether valid values make sense together.
 * @param role undefined if the setting of the role is itself invalid
 * @throws SettingsError that lists every problem
 */
export function checkSettings(role: Role | undefined, env: Environment): void {
  const shape: SettingsShape = { ...role?.settings, ...everyRole };
  const problems: string[] = [];
  collect(problems, () => readSettings(shape, env));
  const fitting = readWhatFits(shape, env);
  const common = readWhatFits(everyRole, env) as SettingsOf<typeof everyRole>;
  collect(problems, () => roleSecurity(common, silentLogger).close());
  // Problems other than those of certificates.
  const plain = { ...common, tlsCert: undefined, tlsKey: undefined, tlsCa: undefined, allowInsecure: true };
  collect(problems, () => roleSecurity(plain, silentLogger).close());
  for (const check of role?.checks?.(fitting) ?? []) collect(problems, check);
  if (problems.length > 0) throw new SettingsError(problems);
}

/** Problems with values that are valid on their own but make no sense for the role. */
export function meaninglessSettings(role: Role, env: Environment): readonly string[] {
  const problems: string[] = [];
  for (const check of role.checks?.(readWhatFits({ ...role.settings }, env)) ?? []) collect(problems, check);
  return problems;
}

/** Adds the findings of a check, except those about a setting that already has a problem. */
function collect(problems: string[], check: () => unknown): void {
  const known = new Set(problems.flatMap(settingsIn));
  try {
    check();
  } catch (error) {
    if (error instanceof SettingsError) {
      problems.push(...error.problems.filter((problem) => !settingsIn(problem).some((name) => known.has(name))));
    } else if (problems.length === 0) throw error; // otherwise a known problem may be the cause
  }
}

/** The settings that a problem is about: the names before its first colon. */
function settingsIn(problem: string): string[] {
  const words = problem.slice(0, problem.indexOf(':')).split(/[^A-Z0-9_]/);
  return words.filter((word) => word.includes('_'));
}
