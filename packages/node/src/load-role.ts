import type { NodeType } from './common-settings.js';
import type { Role } from './role.js';

/** Roles are loaded on demand, so that a balancer does not hold in memory what only a runner needs. */
const LOADERS: Readonly<Record<NodeType, () => Promise<Role>>> = {
  full: async () => (await import('./full.js')).fullRole,
  api: async () => (await import('./api.js')).apiRole,
  lb: async () => (await import('./lb.js')).lbRole,
  'pure-runner': async () => (await import('./pure-runner.js')).pureRunnerRole,
};

/** The roles that `FN_NODE_TYPE` selects. */
export function loadRole(name: NodeType): Promise<Role> {
  return LOADERS[name]();
}
