import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { LocalFleet } = require('../../packages/cli/dist/fleet/local-fleet.js');
const { ApiClient } = require('../../packages/cli/dist/api-client.js');
const { deployFunction, invokeUrl } = require('../../packages/cli/dist/deploy-function.js');

/** A static C function that costs little itself; MICRO_SLEEP_MS lets it sleep before it answers. */
export const IMAGE = 'fnfleet/micro:latest';
const MEMORY_MB = 16;

let fleets = 0;

/** One balancer and one runner as a user would run them. Several can stand side by side. */
export async function startFleet({ undo, settings = {} }) {
  const port = 18_080 + 10 * fleets;
  const fleet = new LocalFleet({ runners: 1, port, grpcPort: 19_190 + fleets, settings, print: () => undefined });
  fleets += 1;
  undo.push(() => fleet.stop());
  await fleet.start();
  const api = new ApiClient(fleet.plan.apiUrl);
  return {
    /** Of balancer and runner. */
    pids: fleet.processes.filter(({ name }) => name !== 'api').map(({ pid }) => pid),
    runnerMetrics: `http://127.0.0.1:${port + 2}/metrics`,
    /** Where to invoke a function of this name and configuration. */
    async deploy(name, config = {}) {
      return invokeUrl(await deployFunction(api, 'bench', { name, image: IMAGE, memory: MEMORY_MB, config }));
    },
  };
}
