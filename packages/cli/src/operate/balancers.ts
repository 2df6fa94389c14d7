import { FLEET, type FleetAnswer } from '@fnfleet/operator-api';
import type { Fetch } from '../access/secure-fetch.js';
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
