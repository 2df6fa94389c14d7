import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { ROOT } from '../harness/paths.js';
import type { RoleEnvironment } from './role-environment.js';

/** Files of Docker Compose and of Docker Swarm, which have the same format. */
const FILES = ['deploy/compose/compose.yml', 'deploy/swarm/stack.yml'];

export interface ComposeService {
  readonly image: string;
  readonly environment?: Readonly<Record<string, string | number>>;
  readonly configs?: readonly { readonly source: string; readonly target: string }[];
  readonly ports?: readonly (string | { readonly target: number })[];
  readonly secrets?: readonly { readonly source: string; readonly target: string }[];
  readonly stop_grace_period?: string;
  readonly volumes?: readonly (string | { readonly source?: string; readonly target: string })[];
}

export interface ComposeFile {
  readonly where: string;
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly configs?: Readonly<Record<string, { readonly file: string }>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

/** With the defaults of everything that may be set. */
export function composeFiles(): ComposeFile[] {
  return FILES.map((where) => {
    const text = readFileSync(path.join(ROOT, where), 'utf8');
    return { where, ...parse(text.replace(/\$\{\w+:-([^}]*)\}/g, '$1'), { merge: true }) };
  });
}

export function composeEnvironments(): RoleEnvironment[] {
  return composeFiles().flatMap(({ where, services }) =>
    rolesOf(services).map(([name, { environment = {} }]) => ({
      where: `${where}, ${name}`,
      env: Object.fromEntries(Object.entries(environment).map(([key, value]) => [key, String(value)])),
    })),
  );
}

/** The services that are nodes of fnfleet. */
export function rolesOf(services: ComposeFile['services']): [string, ComposeService][] {
  return Object.entries(services).filter(([, { environment }]) => environment?.FN_NODE_TYPE !== undefined);
}
