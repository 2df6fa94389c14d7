import { NODE_TYPES } from '@fnfleet/node';
import type { IssueSpec } from './fleet-certs.js';

/** Roles by the usual names of their nodes. */
const USUAL_ROLES: Readonly<Record<string, string>> = {
  ...Object.fromEntries([...NODE_TYPES, 'operator'].map((role) => [role, role])),
  runner: 'pure-runner',
  // Prometheus scrapes operator routes of every node.
  prometheus: 'operator',
};
/** Roles that are reached from outside the fleet, by names that the operator has to give. */
const REACHED_FROM_OUTSIDE: readonly (string | undefined)[] = ['api', 'lb', 'full'];

/**
 * The specifications of the certificates of a fleet. Each gets only its own names: with those of a balancer, a runner
 * could impersonate one.
 * @param nodes names of the nodes: the usual name of a role, optionally followed by a number or a word
 * @param names `<node>=<name>` for one node; `<name>` for API nodes and balancers
 */
export function fleetSpecs(nodes: readonly string[], names: readonly string[]): Omit<IssueSpec, 'days'>[] {
  const given = names.map((text) => {
    const [node = '', ...rest] = text.split('=');
    // A URI may contain an equals sign, too.
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
