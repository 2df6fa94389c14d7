import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from '../harness/paths.js';
import type { RoleEnvironment } from './role-environment.js';

export const SYSTEMD = path.join(ROOT, 'deploy/systemd');
/** Where the units expect it. */
export const INSTALLED = '/opt/fnfleet/bin/fnfleet';

/** One unit of deploy/systemd. A directive may be given several times. */
export interface Unit {
  readonly name: string;
  readonly role: string;
  readonly text: string;
  values(directive: string): string[];
  /** As systemd would put it together: the file with the settings wins over what the unit itself says. */
  readonly environment: RoleEnvironment;
}

export function systemdUnits(): Unit[] {
  const files = readdirSync(SYSTEMD).filter((file) => file.endsWith('.service'));
  return files.map((name) => {
    const role = /^fnfleet-(.*)\.service$/.exec(name)?.[1] ?? '';
    const text = readFileSync(path.join(SYSTEMD, name), 'utf8');
    const values = (directive: string) =>
      text
        .split('\n')
        .filter((line) => line.startsWith(`${directive}=`))
        .map((line) => line.slice(directive.length + 1));
    const env = { ...assignments(values('Environment').join('\n')), ...envFile(role) };
    return { name, role, text, values, environment: { where: `deploy/systemd/${name}`, env } };
  });
}

function envFile(role: string): Record<string, string> {
  return assignments(readFileSync(path.join(SYSTEMD, `${role}.env`), 'utf8'));
}

function assignments(text: string): Record<string, string> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(lines.map((line) => [line.split('=', 1)[0], line.slice(line.indexOf('=') + 1)]));
}
