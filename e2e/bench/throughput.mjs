import { startFleet } from './fleet.mjs';
import { startFloor } from './floor.mjs';
import { withCpu } from './processes.mjs';
import { median, ms, table } from './statistics.mjs';
import { load } from './wrk.mjs';

/**
 * @typedef {import('./wrk.mjs').Load} Load
 * @typedef {Load & { balancerCpu: number, runnerCpu: number }} LoadWithCpu seconds per call
 * @typedef {{ tree: import('./trees.mjs').Tree, fleet: Awaited<ReturnType<typeof startFleet>>, url: string }} Measured
 */

const CLIENTS = [1, 8, 64];
const WARM_UP_SECONDS = 20;

/**
 * The floor and the whole path take turns; compare the ratio of their medians.
 * @param {import('./trees.mjs').BenchOptions} options
 */
export async function measureThroughput({ seconds, rounds, undo, trees }) {
  const floorUrl = await startFloor(undo);
  const fleets = [];
  for (const tree of trees) {
    const fleet = await startFleet({ undo, tree });
    fleets.push({ tree, fleet, url: await fleet.deploy('micro') });
  }
  console.error(`  warming up: ${WARM_UP_SECONDS} s each, until the code of every process is compiled`);
  for (const url of [floorUrl, ...fleets.map((each) => each.url)])
    await load(url, { clients: 32, seconds: WARM_UP_SECONDS });
  const rows = [];
  for (const clients of CLIENTS) rows.push(...(await compare({ clients, seconds, rounds, floorUrl, fleets })));
  return table(
    [
      'clients',
      'code',
      'calls/s',
      'over the floor',
      'p50 ms',
      'p99 ms',
      'balancer µs',
      'runner µs',
      'calls/CPU s',
      'failed',
    ],
    rows,
  );
}

/**
 * One number of clients: a row for the floor, and one for each fleet.
 * @param {object} options
 * @param {number} options.clients
 * @param {number} options.seconds
 * @param {number} options.rounds
 * @param {string} options.floorUrl
 * @param {Measured[]} options.fleets
 */
async function compare({ clients, seconds, rounds, floorUrl, fleets }) {
  for (const url of [floorUrl, ...fleets.map((each) => each.url)]) await load(url, { clients, seconds: 2 });
  /** @type {Load[]} */
  const floor = [];
  const whole = fleets.map((each) => {
    /** @type {LoadWithCpu[]} */
    const loads = [];
    return { ...each, loads };
  });
  for (let round = 0; round < rounds; round += 1) {
    floor.push(await load(floorUrl, { clients, seconds }));
    for (const { url, fleet, loads } of whole) {
      const { result, cpu } = await withCpu(fleet, () => load(url, { clients, seconds }));
      const calls = result.rate * seconds;
      loads.push({ ...result, balancerCpu: cpu.balancer / calls, runnerCpu: cpu.runner / calls });
    }
  }
  const floorRate = median(floor.map(({ rate }) => rate));
  return [
    [clients, 'floor', ...columns(floor, floorRate), '', '', '', failures(floor)],
    ...whole.map(({ tree, loads }) => [
      clients,
      tree.name,
      ...columns(loads, floorRate),
      ...cpuColumns(loads),
      failures(loads),
    ]),
  ];
}

/** @param {readonly Load[]} loads @param {number} floorRate */
function columns(loads, floorRate) {
  const rate = median(loads.map((each) => each.rate));
  const [p50, p99] = [median(loads.map((each) => each.p50)), median(loads.map((each) => each.p99))];
  return [Math.round(rate), (rate / floorRate).toFixed(2), ms(p50), ms(p99)];
}

/** @param {readonly LoadWithCpu[]} loads */
function cpuColumns(loads) {
  const balancer = median(loads.map(({ balancerCpu }) => balancerCpu));
  const runner = median(loads.map(({ runnerCpu }) => runnerCpu));
  return [Math.round(balancer * 1e6), Math.round(runner * 1e6), Math.round(1 / (balancer + runner))];
}

/** @param {readonly Load[]} loads */
function failures(loads) {
  return loads.reduce((sum, { failed }) => sum + failed, 0);
}
