import { FnError } from '@fnfleet/core';
import { type Route, sendJson } from '@fnfleet/http';
import type { LbOperations } from './operations.js';

/** Maximum number of runners that a message names individually. */
const MOST_NAMED = 10;

/**
 * Cordons runners by address, Fn runners included. A cordon lasts as long as the process, even while the runner is not
 * in the pool.
 */
export function cordonRoutes(operations: Pick<LbOperations, 'setCordoned' | 'fleet'>): Route[] {
  const route = (method: string, cordoned: boolean): Route => ({
    method,
    path: '/fleet/cordons/:address',
    access: 'operator',
    async handle(req, res) {
      const address = String(req.params.address);
      const isKnown = await operations.setCordoned(address, cordoned);
      const fleet = await operations.fleet(0);
      if (!isKnown) throw new FnError('runnerNotInPool', { params: { address, known: namesOf(fleet?.runners ?? []) } });
      sendJson(res, 200, { cordons: fleet?.cordons ?? [] });
    },
  });
  return [route('PUT', true), route('DELETE', false)];
}

function namesOf(runners: readonly { readonly address: string }[]): string {
  if (runners.length === 0) return 'none';
  if (runners.length > MOST_NAMED) return `${runners.length} others`;
  return runners.map(({ address }) => address).join(', ');
}
