import { addressKey } from '@fnfleet/placement';
import { type AskedBalancer, isHeard } from './balancers.js';
import type { RunnerLine } from './fleet-answer.js';

/**
 * The runner that an operator means, by its address or its name, as each balancer that has it sees it.
 * @returns not empty, and all of one address
 * @throws Error when no balancer has it, or several runners have the name
 */
export function findRunner(balancers: readonly AskedBalancer[], wanted: string): readonly RunnerLine[] {
  const all = balancers.filter(isHeard).flatMap(({ fleet }) => fleet.runners);
  const key = addressKey(wanted);
  const byAddress = all.filter(({ address }) => addressKey(address) === key);
  const found = byAddress.length > 0 ? byAddress : all.filter(({ name }) => name === wanted);
  const addresses = [...new Set(found.map(({ address }) => address))];
  if (addresses.length === 1) return found;
  if (addresses.length > 1) {
    throw new Error(`several runners are called ${wanted}: ${addresses.join(', ')}. Say which by its address`);
  }
  throw new Error(
    `no balancer has a runner ${wanted}; there are ${namesOf(all)}. One that registers itself is not listed while it is ` +
      'drained: give the URL of its HTTP port, http://host:port',
  );
}

function namesOf(runners: readonly RunnerLine[]): string {
  const names = runners.map(({ address, name }) => (name === undefined ? address : `${address} (${name})`));
  return [...new Set(names)].join(', ') || 'none';
}
