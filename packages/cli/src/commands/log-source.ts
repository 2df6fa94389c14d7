import { unixPathOf } from '@fnfleet/core';
import { InvalidArgumentError, Option } from 'commander';
import type { FleetAccess } from '../access/fleet-access.js';
import { collectThroughBalancer } from '../logs/collect-through-balancer.js';
import type { FollowFleetOptions } from '../logs/follow-fleet.js';
import { askBalancers, isHeard } from '../operate/balancers.js';
import { LOCAL_BALANCERS, lbOption, names } from './options.js';

/** Where a command reads the output of functions from. */
export interface LogSourceFlags {
  readonly runner?: readonly string[];
  readonly lb: readonly string[];
}

export function runnerOption(): Option {
  return new Option('--runner <addresses>', 'read from these runners directly: gRPC addresses, separated by commas')
    .env('FN_RUNNER_ADDRESSES')
    .argParser(addresses);
}

export function throughOption(): Option {
  return lbOption('load balancers to read through, separated by commas');
}

/** Runners that are named are asked directly; otherwise the runners of the balancers, through the balancers. */
export async function runnersOf(
  { runner, lb }: LogSourceFlags,
  { fetch }: FleetAccess,
): Promise<Pick<FollowFleetOptions, 'runners' | 'collect'>> {
  if (runner !== undefined) return { runners: runner };
  const balancers = await askBalancers(lb, fetch, { guessed: lb === LOCAL_BALANCERS });
  const having = new Map<string, string>();
  for (const { url, fleet } of balancers.filter(isHeard)) {
    for (const { address } of fleet.runners) having.set(address, having.get(address) ?? url);
  }
  if (having.size === 0) throw new Error(`${balancers.map(({ url }) => url).join(', ')} has no runners`);
  const collect = (address: string) => collectThroughBalancer(having.get(address) ?? '', fetch);
  return { runners: [...having.keys()], collect };
}

/** The option is repeatable. */
function addresses(value: string, previous: readonly string[] = []): readonly string[] {
  const given = names(value);
  const isAddress = (text: string) => /^(\[[^\]]+\]|[^\s:]+):\d+$/.test(text) || unixPathOf(text) !== undefined;
  const wrong = given.find((address) => !isAddress(address));
  if (wrong !== undefined)
    throw new InvalidArgumentError(`expected host:port or unix:/path, got ${JSON.stringify(wrong)}.`);
  return [...new Set([...previous, ...given])];
}
