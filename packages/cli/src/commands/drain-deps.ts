import { fleetAccess } from '../access/fleet-access.js';
import { askBalancers } from '../operate/balancers.js';
import type { DrainDeps } from '../operate/drain-runner.js';
import { LOCAL_BALANCERS } from './options.js';

/** Connections to the fleet for `drain` and `undrain`. */
export function drainDeps({ lb }: { readonly lb: readonly string[] }): DrainDeps {
  const { fetch, runner, tls } = fleetAccess(process.env);
  return {
    balancers: () => askBalancers(lb, fetch, { guessed: lb === LOCAL_BALANCERS, fresh: true }),
    fetch,
    runnerFetch: runner,
    secure: tls !== undefined,
  };
}
