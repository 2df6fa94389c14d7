import { ApiClient, deployFunction, invokeUrl } from 'fnfleet';
import { HERE } from './trees.mjs';

/** A static C function that costs little itself; MICRO_SLEEP_MS lets it sleep before it answers, MICRO_ECHO=1 echo. */
export const IMAGE = 'fnfleet/micro:latest';
const MEMORY_MB = 16;

let fleets = 0;

/**
 * One balancer and one runner as a user would run them. Several can stand side by side.
 * @param {object} options
 * @param {(() => unknown)[]} options.undo
 * @param {Record<string, string>} [options.settings] of every node
 * @param {typeof HERE} [options.tree] whose code runs
 * @param {import('fnfleet').Fetch} [options.fetch] how to reach the nodes, if they have TLS
 */
export async function startFleet({ undo, settings = {}, tree = HERE, fetch }) {
  const port = 18_080 + 10 * fleets;
  const grpcPort = 19_190 + fleets;
  fleets += 1;
  const fleet = new tree.LocalFleet({
    runners: 1,
    port,
    grpcPort,
    settings,
    secure: fetch !== undefined,
    print: () => undefined,
  });
  undo.push(() => fleet.stop());
  await fleet.start();
  const api = new ApiClient(fleet.plan.apiUrl, fetch);
  /** @param {string} node */
  const pidOf = (node) => fleet.processes.find(({ name }) => name === node)?.pid;
  return {
    /** Of balancer and runner. */
    pids: [pidOf('lb'), pidOf('runner1')],
    lbPid: pidOf('lb'),
    runnerPid: pidOf('runner1'),
    apiPid: pidOf('api'),
    runnerMetrics: `http://127.0.0.1:${port + 2}/metrics`,
    /** Where to invoke a function of this name and configuration. */
    async deploy(name, config = {}, memory = MEMORY_MB) {
      return invokeUrl(await deployFunction(api, 'bench', { name, image: IMAGE, memory, config }));
    },
  };
}
