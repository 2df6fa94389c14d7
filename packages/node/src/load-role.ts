import type { NodeType } from './common-settings.js';
import type { Role } from './role.js';

/** Each is loaded when a process plays it: a balancer must not hold what only a runner needs. */
const LOADERS: Readonly<Record<NodeType, () => Promise<Role>>> = {
  full: async () => (await import('./full.js')).fullRole,
  api: async () => (await import('./api.js')).apiRole,
  lb: async () => (await import('./lb.js')).lbRole,
  'pure-runner': async () => (await import('./pure-runner.js')).pureRunnerRole,
};

/** What `FN_NODE_TYPE` selects. */
export function loadRole(name: NodeType): Promise<Role> {
  return LOADERS[name]();
}
