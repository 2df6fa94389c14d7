import { addressKey } from '@fnfleet/discovery';
import { ANYTHING, type RunnerAnswer, type RunnerLine } from '@fnfleet/operator-api';
import type { Fetch } from '../access/secure-fetch.js';
import { ask, RefusedError } from './ask.js';
import { type AskedBalancer, isHeard, takesCalls } from './balancers.js';
import { findRunner, httpUrlOf } from './find-runner.js';

export interface DrainDeps {
  /** Queries the balancers again. Not called for a runner that is named by its URL. */
  readonly balancers: () => Promise<readonly AskedBalancer[]>;
  readonly fetch: Fetch;
  /** For the HTTP ports of runners. */
  readonly runnerFetch: Fetch;
  /** Whether the fleet uses TLS. */
  readonly secure: boolean;
}

type InHand = Pick<RunnerAnswer, 'in_hand'>;
const IN_HAND = { fields: { in_hand: 'number' } } as const;
const TOLD = { fields: { in_hand: 'number', state: 'string' } } as const;

const ONLY_THROUGH_BALANCER =
  'a runner with a unix socket is on the machine of its balancer, which does not reach its HTTP port';

/** How a runner was drained: it refuses calls at our request or a balancer's, or the balancers offer it none. */
export interface Drained {
  readonly runner: string;
  readonly way: 'runner' | 'through balancer' | 'cordon';
  /** URLs of the runner or the balancers that carried the request out. */
  readonly at: readonly string[];
  /** Why the runner itself was not drained. */
  readonly note?: string;
  /** Calls in flight at the runner, from all known balancers. */
  readonly inHand: number;
}

export interface DrainOptions {
  /** Only cordons the runner on the balancers. */
  readonly cordon: boolean;
  /** Drains the runner even if it is the last one that takes calls. */
  readonly force: boolean;
}

/**
 * Drains a runner through its HTTP port, directly or through a balancer that may reach it when we cannot. If neither
 * works, cordons it on every balancer.
 * @param wanted address or name of the runner, or the URL of its HTTP port
 * @throws Error
 */
export async function drainRunner(wanted: string, options: DrainOptions, deps: DrainDeps): Promise<Drained> {
  if (isUrl(wanted)) return await tellRunner(wanted, wanted, deps);
  const balancers = await deps.balancers();
  const [line] = findRunner(balancers, wanted) as [RunnerLine];
  if (!options.force) refuseTheLast(line, balancers);
  if (options.cordon) return await cordon(line.address, balancers, deps, undefined);
  if (line.http_port === undefined) {
    return await cordon(line.address, balancers, deps, 'the runner does not report an HTTP port');
  }
  const url = httpUrlOf(line, deps.secure);
  try {
    if (url === undefined) throw new Error(ONLY_THROUGH_BALANCER);
    return await tellRunner(url, line.address, deps);
  } catch (error) {
    // A runner that refuses our credentials must not be drained through a balancer instead.
    if (error instanceof RefusedError && error.isForbidden) throw error;
    const told = await tellThroughBalancer('POST', line.address, balancers, deps);
    if (told !== undefined)
      return { runner: line.address, way: 'through balancer', at: [told.at], inHand: told.in_hand };
    return await cordon(line.address, balancers, deps, (error as Error).message);
  }
}

/**
 * Sends a request to a runner through a balancer that has it.
 * @returns undefined when no balancer can
 */
async function tellThroughBalancer(
  method: 'POST' | 'DELETE',
  address: string,
  balancers: readonly AskedBalancer[],
  { fetch }: DrainDeps,
): Promise<(Pick<RunnerAnswer, 'in_hand' | 'state'> & { readonly at: string }) | undefined> {
  for (const { url, fleet } of balancers.filter(isHeard)) {
    if (!fleet.runners.some((line) => line.address === address)) continue;
    try {
      const path = `/fleet/runners/${encodeURIComponent(address)}/drain`;
      return { ...(await ask<Pick<RunnerAnswer, 'in_hand' | 'state'>>(fetch, url + path, TOLD, method)), at: url };
    } catch {
      // This balancer cannot reach the runner either, or its release has no such route.
    }
  }
  return undefined;
}

/** Calls still in flight at a runner that was drained. */
export async function callsInHand({ way, runner, at }: Drained, deps: DrainDeps): Promise<number> {
  const [url = ''] = at;
  if (way === 'runner') return (await ask<InHand>(deps.runnerFetch, `${url}/runner`, IN_HAND)).in_hand;
  return inHandOf(runner, await deps.balancers());
}

async function tellRunner(url: string, runner: string, { runnerFetch }: DrainDeps): Promise<Drained> {
  const base = url.replace(/(?<!\/)\/+$/, '');
  const { in_hand: inHand } = await ask<InHand>(runnerFetch, `${base}/drain`, IN_HAND, 'POST');
  return { runner, way: 'runner', at: [base], inHand };
}

async function cordon(
  address: string,
  balancers: readonly AskedBalancer[],
  { fetch }: DrainDeps,
  note: string | undefined,
): Promise<Drained> {
  const unreachable = balancers.filter((balancer) => !isHeard(balancer));
  if (unreachable.length > 0) {
    const which = unreachable.map(({ url }) => url).join(', ');
    throw new Error(`${which} does not answer, and so would continue to offer calls to ${address}`);
  }
  const having = balancers
    .filter(isHeard)
    .filter(({ fleet }) => fleet.runners.some((line) => line.address === address));
  for (const { url } of having) await ask(fetch, cordonUrl(url, address), ANYTHING, 'PUT');
  return {
    runner: address,
    way: 'cordon',
    at: having.map(({ url }) => url),
    note,
    inHand: inHandOf(address, balancers),
  };
}

function cordonUrl(balancer: string, address: string): string {
  return `${balancer}/fleet/cordons/${encodeURIComponent(address)}`;
}

function inHandOf(runner: string, balancers: readonly AskedBalancer[]): number {
  const lines = balancers.filter(isHeard).flatMap(({ fleet }) => fleet.runners);
  return lines.filter(({ address }) => address === runner).reduce((sum, line) => sum + line.in_flight, 0);
}

function refuseTheLast({ address }: RunnerLine, balancers: readonly AskedBalancer[]): void {
  for (const { url, fleet } of balancers.filter(isHeard)) {
    const [here, others] = [fleet.runners.filter((line) => line.address === address), fleet.runners.filter(takesCalls)];
    if (!here.some(takesCalls) || others.some((line) => line.address !== address)) continue;
    throw new Error(
      `${address} is the last runner of ${url} that takes calls: without it, calls wait and then time out. ` +
        '--force drains it anyway',
    );
  }
}

function isUrl(wanted: string): boolean {
  return /^https?:\/\//.test(wanted);
}

export interface Undrained {
  readonly runner: string;
  /** The state that the runner reported; undefined if it could not be reached. */
  readonly state: string | undefined;
  /** Balancers that removed a cordon. */
  readonly uncordoned: readonly string[];
  /** Why the runner itself was not reached. */
  readonly note?: string;
}

/**
 * Brings a runner back: undoes what `drainRunner` did, at the runner and at every balancer.
 * @param wanted address or name of the runner, or the URL of its HTTP port
 * @throws Error
 */
export async function undrainRunner(wanted: string, deps: DrainDeps): Promise<Undrained> {
  if (isUrl(wanted)) return { runner: wanted, uncordoned: [], ...(await resumeRunner(wanted, deps)) };
  const balancers = await deps.balancers();
  const away = await liftCordons(wanted, balancers, deps);
  if (away.length > 0 && !isInPool(wanted, balancers)) return { runner: wanted, state: undefined, uncordoned: away };
  const [line] = findRunner(balancers, wanted) as [RunnerLine];
  const uncordoned = [...away, ...(line.address === wanted ? [] : await liftCordons(line.address, balancers, deps))];
  return { runner: line.address, uncordoned, ...(await tellIfThere(line, uncordoned.length > 0, deps)) };
}

/** @returns the balancers that had a cordon */
async function liftCordons(address: string, balancers: readonly AskedBalancer[], { fetch }: DrainDeps) {
  const key = addressKey(address);
  const having = balancers
    .filter(isHeard)
    .filter(({ fleet }) => fleet.cordons?.some((cordoned) => addressKey(cordoned) === key));
  for (const { url } of having) await ask(fetch, cordonUrl(url, address), ANYTHING, 'DELETE');
  return having.map(({ url }) => url);
}

function isInPool(address: string, balancers: readonly AskedBalancer[]): boolean {
  const key = addressKey(address);
  return balancers.filter(isHeard).some(({ fleet }) => fleet.runners.some((line) => addressKey(line.address) === key));
}

async function tellIfThere(line: RunnerLine, elsewhereDone: boolean, deps: DrainDeps) {
  if (line.http_port === undefined) return { state: undefined };
  const url = httpUrlOf(line, deps.secure);
  try {
    if (url === undefined) throw new Error(ONLY_THROUGH_BALANCER);
    return await resumeRunner(url, deps);
  } catch (error) {
    const told = error instanceof RefusedError ? undefined : await throughBalancer(line, deps);
    if (told !== undefined) return told;
    // An operator may have cordoned the runner because it did not answer.
    if (!elsewhereDone || error instanceof RefusedError) throw error;
    return { state: undefined, note: (error as Error).message };
  }
}

async function throughBalancer({ address }: RunnerLine, deps: DrainDeps): Promise<{ state: string } | undefined> {
  const told = await tellThroughBalancer('DELETE', address, await deps.balancers(), deps);
  return told && { state: told.state };
}

async function resumeRunner(url: string, { runnerFetch }: DrainDeps): Promise<{ state: string }> {
  const { state } = await ask<Pick<RunnerAnswer, 'state'>>(
    runnerFetch,
    `${url.replace(/(?<!\/)\/+$/, '')}/drain`,
    { fields: { state: 'string' } },
    'DELETE',
  );
  return { state };
}
