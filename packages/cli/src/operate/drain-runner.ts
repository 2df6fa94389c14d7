import type { Fetch } from '../access/secure-fetch.js';
import { ask, RefusedError } from './ask.js';
import { takesCalls } from './attention.js';
import { type AskedBalancer, isHeard } from './balancers.js';
import { findRunner } from './find-runner.js';
import { ANYTHING, type RunnerAnswer, type RunnerLine } from './fleet-answer.js';
import { httpUrlOf } from './runner-url.js';

export interface DrainDeps {
  /** Asks the balancers anew. Not called for a runner that is named by its URL. */
  readonly balancers: () => Promise<readonly AskedBalancer[]>;
  readonly fetch: Fetch;
  /** For the HTTP ports of runners. */
  readonly runnerFetch: Fetch;
  /** The fleet has TLS. */
  readonly secure: boolean;
}

type InHand = Pick<RunnerAnswer, 'in_hand'>;
const IN_HAND = { fields: { in_hand: 'number' } } as const;
const TOLD = { fields: { in_hand: 'number', state: 'string' } } as const;

/** How a runner was taken out: it refuses calls itself, as we or a balancer told it, or the balancers do not offer it any. */
export interface Drained {
  readonly runner: string;
  readonly way: 'runner' | 'through balancer' | 'cordon';
  /** Of the runner's HTTP port, or of the balancers. */
  readonly at: readonly string[];
  /** Why it was not the runner that was told. */
  readonly note?: string;
  /** Calls that it has, of all balancers that are known. */
  readonly inHand: number;
}

export interface DrainOptions {
  /** Tells the balancers only. */
  readonly cordon: boolean;
  /** Also the last that takes calls. */
  readonly force: boolean;
}

/**
 * Takes a runner out: by telling the runner where its HTTP port is known and answers, itself or by way of a balancer, which may
 * reach what we do not; else by telling every balancer.
 * @param wanted address or name of the runner, or the URL of its HTTP port
 * @throws Error
 */
export async function drainRunner(wanted: string, options: DrainOptions, deps: DrainDeps): Promise<Drained> {
  if (isUrl(wanted)) return await tellRunner(wanted, wanted, deps);
  const balancers = await deps.balancers();
  const [line] = findRunner(balancers, wanted) as [RunnerLine];
  if (!options.force) refuseTheLast(line, balancers);
  const url = options.cordon ? undefined : httpUrlOf(line, deps.secure);
  if (url === undefined) {
    const note = options.cordon ? undefined : 'the runner does not tell of an HTTP port';
    return await cordon(line.address, balancers, deps, note);
  }
  try {
    return await tellRunner(url, line.address, deps);
  } catch (error) {
    // Whoever may not tell the runner is not let in by another door.
    if (error instanceof RefusedError && error.isForbidden) throw error;
    const told = await tellThroughBalancer('POST', line.address, balancers, deps);
    if (told !== undefined)
      return { runner: line.address, way: 'through balancer', at: [told.at], inHand: told.in_hand };
    return await cordon(line.address, balancers, deps, (error as Error).message);
  }
}

/**
 * Tells a runner by way of a balancer that has it.
 * @returns undefined when none can
 */
export async function tellThroughBalancer(
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
      // It cannot either, or is of a release that does not.
    }
  }
  return undefined;
}

/** Calls that a runner still has after it was taken out. */
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
  const deaf = balancers.filter((balancer) => !isHeard(balancer));
  if (deaf.length > 0) {
    const which = deaf.map(({ url }) => url).join(', ');
    throw new Error(
      `${which} would go on offering calls to ${address}: a balancer that does not answer cannot be told`,
    );
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

export function cordonUrl(balancer: string, address: string): string {
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
      `${address} is the last runner of ${url} that takes calls: without it they wait, and fail when their time is over. ` +
        '--force drains it all the same',
    );
  }
}

export function isUrl(wanted: string): boolean {
  return /^https?:\/\//.test(wanted);
}
