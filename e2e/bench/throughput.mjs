import { startFleet } from './fleet.mjs';
import { startFloor } from './floor.mjs';
import { withCpu } from './processes.mjs';
import { median, ms, table } from './statistics.mjs';
import { load } from './wrk.mjs';

const CLIENTS = [1, 8, 64];
const WARM_UP_SECONDS = 20;

/**
 * Floor and whole paths take turns; the ratio of their medians is what counts.
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

async function compare({ clients, seconds, rounds, floorUrl, fleets }) {
  for (const url of [floorUrl, ...fleets.map((each) => each.url)]) await load(url, { clients, seconds: 2 });
  const floor = [];
  const whole = fleets.map(() => []);
  for (let round = 0; round < rounds; round += 1) {
    floor.push(await load(floorUrl, { clients, seconds }));
    for (const [at, { url, fleet }] of fleets.entries()) {
      const { result, cpu } = await withCpu(fleet.pids, () => load(url, { clients, seconds }));
      whole[at].push({ ...result, cpu: cpu.map((used) => used / (result.rate * seconds)) });
    }
  }
  const floorRate = median(floor.map(({ rate }) => rate));
  return [
    row({ clients, name: 'floor', results: floor, floorRate }),
    ...fleets.map(({ tree }, at) => row({ clients, name: tree.name, results: whole[at], floorRate })),
  ];
}

function row({ clients, name, results, floorRate }) {
  const of = (read) => median(results.map(read));
  const rate = of((result) => result.rate);
  const cpu = results[0].cpu && [0, 1].map((at) => of((result) => result.cpu[at]));
  return [
    clients,
    name,
    Math.round(rate),
    (rate / floorRate).toFixed(2),
    ms(of(({ p50 }) => p50)),
    ms(of(({ p99 }) => p99)),
    ...(cpu ? cpu.map((used) => Math.round(used * 1e6)) : ['', '']),
    cpu ? Math.round(1 / (cpu[0] + cpu[1])) : '',
    results.reduce((sum, { failed }) => sum + failed, 0),
  ];
}
