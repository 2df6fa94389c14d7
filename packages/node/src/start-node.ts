import { type Environment, readSettings, SettingsError } from '@fnfleet/core';
import { commonSettings, type NodeType } from './common-settings.js';
import type { Role } from './role.js';
import { runRole } from './run-role.js';
import { WORKER_VARIABLE } from './workers/worker-settings.js';

/**
 * Runs the role that `FN_NODE_TYPE` names. Resolves when it has stopped after SIGTERM or SIGINT.
 * @param entry the script that runs a role in another process when called with the argument `node`; for `FN_WORKERS`
 * @throws SettingsError that lists everything wrong with the environment; Error when the role cannot start
 */
export async function startNode(env: Environment, entry: string): Promise<void> {
  const role = await loadRole(await nodeTypeIn(env));
  const processes = processesOf(role, env);
  if (processes === 1 || env[WORKER_VARIABLE] !== undefined) await runRole(role, env);
  else await (await import('./workers/run-workers.js')).runWorkers(role, processes, env, entry);
}

async function nodeTypeIn(env: Environment): Promise<NodeType> {
  try {
    return readSettings({ nodeType: commonSettings.nodeType }, env).nodeType;
  } catch (error) {
    // Report invalid common settings as well.
    (await import('./check-settings.js')).checkSettings(undefined, env);
    throw error;
  }
}

/** An invalid number of processes counts as one here; the role reports it together with all other problems. */
function processesOf(role: Role, env: Environment): number {
  try {
    return role.processes?.(env) ?? 1;
  } catch (error) {
    if (error instanceof SettingsError) return 1;
    throw error;
  }
}

/** Roles are loaded on demand, so that a balancer does not hold in memory what only a runner needs. */
const LOADERS: Readonly<Record<NodeType, () => Promise<Role>>> = {
  full: async () => (await import('./full.js')).fullRole,
  api: async () => (await import('./api.js')).apiRole,
  lb: async () => (await import('./lb.js')).lbRole,
  'pure-runner': async () => (await import('./pure-runner.js')).pureRunnerRole,
};

/** The roles that `FN_NODE_TYPE` selects. */
function loadRole(name: NodeType): Promise<Role> {
  return LOADERS[name]();
}
