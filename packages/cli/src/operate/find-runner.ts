import { unixPathOf } from '@fnfleet/core';
import { addressKey } from '@fnfleet/discovery';
import type { RunnerLine } from '@fnfleet/operator-api';
import { type AskedBalancer, isHeard } from './balancers.js';

/**
 * Finds the runner with this address, name, or host (if only one runs there) in the answers of all balancers.
 * @returns one entry for each balancer that has it: not empty, all of the same address
 * @throws Error when no balancer has it, or several runners have the name or the host
 */
export function findRunner(balancers: readonly AskedBalancer[], wanted: string): readonly RunnerLine[] {
  const all = balancers.filter(isHeard).flatMap(({ fleet }) => fleet.runners);
  const key = addressKey(wanted);
  const ways: readonly (readonly [how: string, runners: readonly RunnerLine[]])[] = [
    ['have the address', all.filter(({ address }) => addressKey(address) === key)],
    ['are called', all.filter(({ name }) => name === wanted)],
    ['are at', all.filter(({ address }) => hostOf(address) === wanted.toLowerCase())],
  ];
  const [how, found] = ways.find(([, runners]) => runners.length > 0) ?? ['', []];
  const addresses = [...new Set(found.map(({ address }) => address))];
  if (addresses.length === 1) return found;
  if (addresses.length > 1) {
    throw new Error(`several runners ${how} ${wanted}: ${addresses.join(', ')}. Use an address`);
  }
  throw new Error(
    `no balancer has a runner called ${JSON.stringify(wanted)}; known runners: ${namesOf(all)}. A runner that registers ` +
      'itself is not listed while it is drained: use the URL of its HTTP port, http://host:port',
  );
}

function hostOf(address: string): string {
  return unixPathOf(address) ?? address.slice(0, address.lastIndexOf(':')).toLowerCase();
}

function namesOf(runners: readonly RunnerLine[]): string {
  const names = runners.map(({ address, name }) => (name === undefined ? address : `${address} (${name})`));
  return [...new Set(names)].join(', ') || 'none';
}

/**
 * The HTTP URL of a runner, made of the host of its address and the HTTP port that it reports.
 * @param secure whether the fleet uses TLS: then both ports of a runner do
 * @returns undefined if the runner reports no HTTP port, or has a unix socket, because that may be on the machine of its balancer
 */
export function httpUrlOf({ address, http_port: port }: RunnerLine, secure: boolean): string | undefined {
  if (port === undefined || unixPathOf(address) !== undefined) return undefined;
  return `${secure ? 'https' : 'http'}://${address.slice(0, address.lastIndexOf(':'))}:${port}`;
}

/**
 * The same for reading, where asking another runner by mistake does no harm: a runner with a unix socket has its HTTP port where its
 * balancer has.
 * @param balancer URL of a balancer that has the runner
 */
export function readingUrlOf(runner: RunnerLine, balancer: string, secure: boolean): string | undefined {
  const { address, http_port: port } = runner;
  if (port === undefined || unixPathOf(address) === undefined) return httpUrlOf(runner, secure);
  const url = new URL(balancer);
  return `${url.protocol}//${url.hostname}:${port}`;
}
