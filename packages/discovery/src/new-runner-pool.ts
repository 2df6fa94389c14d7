import { type Clock, type Logger, type Registry, SettingsError, silentLogger, systemClock } from '@fnfleet/core';
import type { Member, MembershipSource } from './membership.js';
import { MembershipPool, type MembershipPoolOptions } from './membership-pool.js';
import { pools as builtIn, StaticSource } from './pool-kinds.js';
import { type PoolFactory, parsePoolUrl } from './pool-url.js';
import { checkAddresses, problemOfOwnAddress } from './runner-address.js';
import type { DiscoverySettings } from './settings.js';

export interface RunnerPoolOptions<R extends Member> {
  readonly settings: Partial<DiscoverySettings>;
  readonly createRunner: (address: string) => R;
  /** The available kinds; default: those of this package. */
  readonly pools?: Registry<PoolFactory>;
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly logger?: Logger;
}

/**
 * Creates the pool that the settings describe. It is empty with an error until its source was read.
 * @throws SettingsError if they describe none, or two
 */
export function newRunnerPool<R extends Member>(options: RunnerPoolOptions<R>): MembershipPool<R> {
  const { createRunner, clock, logger } = options;
  return new MembershipPool({ ...describedSource(options), createRunner, clock, logger });
}

/**
 * Checks the settings of a pool before it is created.
 * @throws SettingsError
 */
export function checkRunnerPool(settings: Partial<DiscoverySettings>): void {
  describedSource({ settings });
}

export interface Described {
  readonly kind: string;
  readonly description: string;
  readonly source: MembershipSource;
  /** What addresses of this source may be, if more than `host:port`. */
  readonly checkAddress?: (address: string) => string | undefined;
}

function describedSource(options: Omit<RunnerPoolOptions<Member>, 'createRunner'>): Described {
  const { runnerAddresses: addresses = [], runnerPool } = options.settings;
  if (addresses.length > 0 && runnerPool !== undefined) {
    throw new SettingsError(['FN_RUNNER_ADDRESSES, FN_RUNNER_POOL: only one of them may be set']);
  }
  if (runnerPool !== undefined) return explained('FN_RUNNER_POOL', () => sourceOf(runnerPool, options));
  if (addresses.length === 0)
    throw new SettingsError(['FN_RUNNER_ADDRESSES: required, or FN_RUNNER_POOL in its place']);
  return explained('FN_RUNNER_ADDRESSES', () => ({
    kind: 'static',
    description: `static://${addresses.join(',')}`,
    source: new StaticSource(checkAddresses(addresses)),
    checkAddress: problemOfOwnAddress,
  }));
}

/** Whether a text has the scheme of a pool, which is never one of HTTP. */
export function isPoolUrl(text: string): boolean {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  return scheme !== undefined && builtIn.names.includes(scheme);
}

/**
 * Opens the source of a pool that lists other nodes than runners.
 * @param variable the setting, for the error
 * @throws SettingsError
 */
export function openPoolSource(
  variable: string,
  text: string,
  options: Omit<RunnerPoolOptions<Member>, 'createRunner'>,
): Described {
  return explained(variable, () => sourceOf(text, options));
}

function sourceOf(text: string, options: Omit<RunnerPoolOptions<Member>, 'createRunner'>): Described {
  const { pools = builtIn, clock = systemClock, random = Math.random, logger = silentLogger } = options;
  const { kubernetesHost: host, kubernetesPort: port = '443' } = options.settings;
  const url = parsePoolUrl(text);
  const kind = pools.get(url.scheme);
  const kubernetes = host === undefined ? undefined : { host, port };
  return { kind: kind.name, description: url.shown, source: kind.create(url, { clock, random, logger, kubernetes }) };
}

function explained<T>(variable: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (error instanceof SettingsError) throw error;
    throw new SettingsError([`${variable}: ${(error as Error).message}`]);
  }
}

/**
 * A fixed list of runners, in the given order. Unreachable runners stay in the list: whether a runner takes calls is found out by
 * offering one.
 * @param addresses surrounding white space is ignored. `createRunner` checks their form.
 * @throws Error if an address is listed twice, because it would get two shares of calls
 */
export function newStaticRunnerPool<R extends Member>(
  addresses: readonly string[],
  createRunner: (address: string) => R,
  options: Pick<MembershipPoolOptions<R>, 'clock' | 'logger'> = {},
): MembershipPool<R> {
  const names = addresses.map((address) => address.trim());
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new Error(`runner ${twice} is listed twice`);
  return new MembershipPool({
    kind: 'static',
    description: `static://${names.join(',')}`,
    source: new StaticSource(names),
    createRunner,
    checkAddress: () => undefined,
    ...options,
  });
}
