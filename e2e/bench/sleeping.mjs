import { containersStarted, startFleet } from './fleet.mjs';
import { startFloor } from './floor.mjs';
import { median, ms, table } from './statistics.mjs';
import { load } from './wrk.mjs';

/** @typedef {import('./wrk.mjs').Load} Load */

const CLIENTS = 64;
const SLEEP_MS = 50;
const ENV = { MICRO_SLEEP_MS: `${SLEEP_MS}` };
/** After this time, there is a container for each client, and the code is compiled. */
const WARM_UP_SECONDS = 30;

/**
 * Needs as many containers as clients; at best, each client makes one call per 50 ms. What a proxy of one hop makes of as many
 * containers shows how much of the rest is the machine's. They take turns.
 * @param {import('./trees.mjs').BenchOptions} options
 */
export async function measureSleeping({ seconds, rounds, undo, trees }) {
  /** @type {{ name: string, url: string, containers: () => Promise<number>, loads: Load[] }[]} */
  const ways = [];
  const floor = await startFloor(undo, ENV, CLIENTS);
  ways.push({ name: 'floor', url: floor, containers: async () => CLIENTS, loads: [] });
  for (const tree of trees) {
    const fleet = await startFleet({ undo, tree });
    const url = await fleet.deploy('sleeping', ENV);
    ways.push({ name: tree.name, url, containers: () => containersStarted(fleet), loads: [] });
  }
  console.error(`  warming up, ${WARM_UP_SECONDS} s each, until there is a container for each client`);
  for (const { url } of ways) await load(url, { clients: CLIENTS, seconds: WARM_UP_SECONDS });
  for (let round = 0; round < rounds; round += 1) {
    for (const { url, loads } of ways) loads.push(await load(url, { clients: CLIENTS, seconds }));
  }
  const best = (CLIENTS * 1000) / SLEEP_MS;
  const rows = [];
  for (const { name, containers, loads } of ways) {
    const rate = median(loads.map((each) => each.rate));
    const [p50, p99] = [median(loads.map((each) => each.p50)), median(loads.map((each) => each.p99))];
    const failed = loads.reduce((sum, each) => sum + each.failed, 0);
    const all = loads.map((each) => (each.rate / best).toFixed(2)).join(', ');
    rows.push([
      name,
      Math.round(rate),
      ms(p50),
      ms(p99),
      failed,
      `${(rate / best).toFixed(2)} (${all})`,
      await containers(),
    ]);
  }
  return table(['code', 'calls/s', 'p50 ms', 'p99 ms', 'failed', `of ${best} calls/s`, 'containers started'], rows);
}
