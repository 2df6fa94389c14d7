import { tmpdir } from 'node:os';
import { readSettings, SettingsError } from '@fnfleet/core';
import { commonSettings, ROLES } from 'fnfleet';

/** What a process of a deployment gets to see, and where that is written. */
export interface RoleEnvironment {
  readonly where: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Those that are not there when a deployment is only read. */
const FOLDERS_ON_THE_HOST = ['FN_REPLAY_SPILL_DIR'];
/** What the engine's command and the image have a say in besides. */
const SETTING = /^(FN|DOCKER)_/;

/**
 * What a node would have against its settings: those that its role does not have, and values that do not fit. Files that hold
 * a value, and folders, need not be there.
 */
export function problemsOf({ env }: RoleEnvironment): string[] {
  const { nodeType } = readSettings({ nodeType: commonSettings.nodeType }, env);
  const { settings } = ROLES[nodeType];
  const declared = new Set(Object.values(settings).map(({ name }) => name));
  const problems: string[] = [];
  const values: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (!SETTING.test(name)) continue;
    const plain = declared.has(name) ? name : name.replace(/_FILE$/, '');
    if (!declared.has(plain)) problems.push(`${name}: no setting of the role ${nodeType}`);
    else if (plain === name) values[name] = FOLDERS_ON_THE_HOST.includes(name) ? tmpdir() : value;
  }
  try {
    readSettings(settings, values);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    problems.push(...error.problems);
  }
  return problems;
}
