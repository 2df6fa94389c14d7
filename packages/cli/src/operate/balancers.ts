import { FLEET, type FleetAnswer, type RunnerLine } from '@fnfleet/operator-api';
import type { Fetch } from '../access/secure-fetch.js';
import { shownSkew } from '../terminal/output.js';
import { ask } from './ask.js';

/** A balancer with its answer, or the reason why there is none. */
export type AskedBalancer =
  | { readonly url: string; readonly fleet: FleetAnswer }
  | { readonly url: string; readonly fleet?: undefined; readonly error: string };

export type HeardBalancer = Extract<AskedBalancer, { fleet: FleetAnswer }>;

/**
 * Queries all balancers at once.
 * @param guessed the addresses are defaults: balancers that do not answer are ignored
 * @param fresh makes the balancers query their runners first
 * @throws Error when none of them answers
 */
export async function askBalancers(
  urls: readonly string[],
  fetch: Fetch,
  { guessed, fresh = false }: { readonly guessed: boolean; readonly fresh?: boolean },
): Promise<AskedBalancer[]> {
  const path = fresh ? '/fleet?ask=1' : '/fleet';
  const asked = await Promise.all(urls.map((url) => askBalancer(url, path, fetch)));
  const heard = asked.filter(isHeard);
  if (heard.length === 0) {
    const answers = asked.map((balancer) => (isHeard(balancer) ? '' : `\n  ${balancer.error}`));
    throw new Error(`no balancer answers (set --lb or FN_LB_URL)${answers.join('')}`);
  }
  return guessed ? heard : asked;
}

export function isHeard(balancer: AskedBalancer): balancer is HeardBalancer {
  return balancer.fleet !== undefined;
}

async function askBalancer(url: string, path: string, fetch: Fetch): Promise<AskedBalancer> {
  try {
    return { url, fleet: await ask<FleetAnswer>(fetch, url + path, FLEET) };
  } catch (error) {
    return { url, error: (error as Error).message };
  }
}

/**
 * Clocks that differ by more than this make logs hard to read and certificates invalid too early or late, milliseconds.
 */
export const MAX_SKEW_MS = 1000;
/** States that need no attention: an operator wants them, or they pass on their own. */
const WELL: ReadonlySet<string> = new Set(['ok', 'draining', 'cordoned', 'silent']);

/** What needs the attention of an operator, in words. Empty if all is well. */
export function attention(balancers: readonly AskedBalancer[]): string[] {
  const each = balancers.flatMap((balancer) => (isHeard(balancer) ? ofFleet(balancer) : [balancer.error]));
  // Several balancers report the same problem of a runner; it is shown once.
  return [...new Set(each)];
}

function ofFleet({ url, fleet }: { url: string; fleet: FleetAnswer }): string[] {
  const { api, api_nodes: nodes = [], pool, troubles = [], runners } = fleet;
  const found = [...troubles];
  const apis = nodes.length > 0 ? nodes : api === undefined ? [] : [api];
  for (const { url: at, trouble } of apis) {
    if (trouble !== undefined) found.push(`cannot look up functions at ${at}: ${trouble}`);
  }
  if (pool?.failing) {
    found.push(
      `${url} cannot look up its runners in ${pool.source}: ${pool.last_failure?.reason ?? 'no reason reported'}`,
    );
  }
  for (const { address, reason } of pool?.refused ?? [])
    found.push(`${address} is not the address of a runner: ${reason}`);
  for (const runner of runners) found.push(...ofRunner(runner));
  if (pool !== undefined && !runners.some(takesCalls)) found.push(`${url} has no runner that takes calls`);
  return found;
}

function ofRunner({ address, state, reason, load, clock_skew_ms: skew = 0, clock_uncertainty_ms: by = 0 }: RunnerLine) {
  const found: string[] = [];
  if (!WELL.has(state)) found.push(`${address} is ${state}${reason ? `: ${reason}` : ''}`);
  if (load?.degraded) found.push(`${address} is degraded: ${load.degraded_reason ?? reason ?? 'no reason reported'}`);
  if (Math.abs(skew) - by > MAX_SKEW_MS) {
    found.push(
      `the clock of ${address} differs by ${shownSkew(skew)} from that of the balancer: synchronize both with NTP`,
    );
  }
  return found;
}

/** Whether the runner takes calls, as far as the balancer knows. */
export function takesCalls({ state }: Pick<RunnerLine, 'state'>): boolean {
  return state === 'ok';
}
