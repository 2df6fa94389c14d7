import { NODE_TYPES } from '@fnfleet/node';
import type { IssueSpec } from './fleet-certs.js';

/** Roles by what their nodes are usually called. */
const USUAL_ROLES: Readonly<Record<string, string>> = {
  ...Object.fromEntries([...NODE_TYPES, 'operator'].map((role) => [role, role])),
  runner: 'pure-runner',
  // It asks every node for what is for operators.
  prometheus: 'operator',
};
/** Those that are reached from outside of the fleet, by names that it has to be told. */
const REACHED_FROM_OUTSIDE: readonly (string | undefined)[] = ['api', 'lb', 'full'];

/**
 * What the certificates of a fleet are for. Each gets its own names only: with those of a balancer, a runner could pose as one.
 * @param nodes what they are called; a number or a word of one's own may follow the usual name of a role
 * @param names `<node>=<name>`: of one node; `<name>`: of API nodes and balancers
 */
export function fleetSpecs(nodes: readonly string[], names: readonly string[]): Omit<IssueSpec, 'days'>[] {
  const given = names.map((text) => {
    const [node = '', ...rest] = text.split('=');
    // A URI may have an equals sign as well.
    return rest.length > 0 && nodes.includes(node) ? { node, name: rest.join('=') } : { node: undefined, name: text };
  });
  return nodes.map((node) => {
    const role = roleOf(node);
    const isOutside = REACHED_FROM_OUTSIDE.includes(role);
    const own = given.filter((one) => one.node === node || (one.node === undefined && isOutside));
    return { name: node, sans: own.map(({ name }) => name), role };
  });
}

function roleOf(node: string): string | undefined {
  if (Object.hasOwn(USUAL_ROLES, node)) return USUAL_ROLES[node];
  const usual = Object.keys(USUAL_ROLES).find(
    (name) => node.startsWith(name) && /^[-_.\d]/.test(node.slice(name.length)),
  );
  return usual === undefined ? undefined : USUAL_ROLES[usual];
}
