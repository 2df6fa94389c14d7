import { ApiClient, deployFunction, invokeUrl } from 'fnfleet';
import { HERE } from './trees.mjs';

/** A static C function that costs little itself. With MICRO_SLEEP_MS it sleeps before it answers, with MICRO_ECHO=1 it echoes. */
export const IMAGE = 'fnfleet/micro:latest';
const MEMORY_MB = 16;

let fleets = 0;

/**
 * Starts one balancer and one runner as a user would run them. Several fleets can run side by side.
 * @param {object} options
 * @param {import('./clean-up.mjs').CleanUp} options.undo
 * @param {Record<string, string>} [options.settings] of every node
 * @param {typeof HERE} [options.tree] whose code runs
 * @param {boolean} [options.ports] whether the runner listens on a TCP port even if it could on a unix socket
 * @param {import('fnfleet').Fetch} [options.fetch] how to reach the nodes, if they have TLS
 */
export async function startFleet({ undo, settings = {}, tree = HERE, ports = false, fetch }) {
  const port = 18_080 + 10 * fleets;
  fleets += 1;
  const fleet = new tree.LocalFleet({
    runners: 1,
    port,
    ...(ports || !tree.hasSockets ? { grpcPort: 19_190 + fleets } : {}),
    settings,
    secure: fetch !== undefined,
    print: () => undefined,
  });
  // Of older commits that are measured beside this one, it has its former name.
  const close = fleet.close ?? Reflect.get(fleet, 'stop');
  undo.push(() => close.call(fleet));
  await fleet.start();
  const api = new ApiClient(fleet.plan.apiUrl, fetch);
  /** @param {string} node */
  const pidOf = (node) => {
    const pid = fleet.processes.find(({ name }) => name === node)?.pid;
    if (pid === undefined) throw new Error(`the fleet has no process ${node}`);
    return pid;
  };
  return {
    lbPid: pidOf('lb'),
    runnerPid: pidOf('runner1'),
    apiPid: pidOf('api'),
    apiUrl: fleet.plan.apiUrl,
    lbUrl: fleet.plan.lbUrl,
    runnerAddress: String(fleet.plan.runnerAddresses[0]),
    runnerMetrics: `http://127.0.0.1:${port + 2}/metrics`,
    /**
     * Deploys a function and resolves with the URL to invoke it.
     * @param {string} name
     * @param {Record<string, string>} [config]
     * @param {number} [memory] MB
     */
    async deploy(name, config = {}, memory = MEMORY_MB) {
      return invokeUrl(await deployFunction(api, 'bench', { name, image: IMAGE, memory, config }));
    },
  };
}

/** How many containers a runner has started. @param {{ runnerMetrics: string }} fleet */
export async function containersStarted({ runnerMetrics }) {
  const text = await (await fetch(runnerMetrics)).text();
  const counts = [...text.matchAll(/^fn_container_start_duration_seconds_count\S* (\d+)/gm)];
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}
