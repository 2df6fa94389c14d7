import { addressKey } from '@fnfleet/discovery';
import type { RunnerAnswer, RunnerLine } from '@fnfleet/operator-api';
import { ANYTHING } from '@fnfleet/operator-api';
import { ask, RefusedError } from './ask.js';
import { type AskedBalancer, isHeard } from './balancers.js';
import { cordonUrl, type DrainDeps, isUrl, tellThroughBalancer } from './drain-runner.js';
import { findRunner } from './find-runner.js';
import { httpUrlOf } from './runner-url.js';

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
  if (isUrl(wanted)) return { runner: wanted, uncordoned: [], ...(await tellRunner(wanted, deps)) };
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
  const url = httpUrlOf(line, deps.secure);
  if (url === undefined) return { state: undefined };
  try {
    return await tellRunner(url, deps);
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

async function tellRunner(url: string, { runnerFetch }: DrainDeps): Promise<{ state: string }> {
  const { state } = await ask<Pick<RunnerAnswer, 'state'>>(
    runnerFetch,
    `${url.replace(/(?<!\/)\/+$/, '')}/drain`,
    { fields: { state: 'string' } },
    'DELETE',
  );
  return { state };
}
