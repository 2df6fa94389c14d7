import { startFleet } from './fleet.mjs';
import { withCpu } from './processes.mjs';
import { median, table } from './statistics.mjs';
import { load } from './wrk.mjs';

const KIB = 1024;
const WARM_UP_SECONDS = 15;
const LOADS = [
  { clients: 1, bytes: 2 },
  { clients: 8, bytes: 2 },
  { clients: 64, bytes: 2 },
  { clients: 8, bytes: 64 * KIB },
  { clients: 4, bytes: 1024 * KIB },
  { clients: 4, bytes: 4096 * KIB },
];
const ECHO = { MICRO_ECHO: '1' };

/**
 * Balancer and runner that speak over a unix socket, against the same over TCP on loopback, in turns.
 * @param {import('./trees.mjs').BenchOptions} options
 */
export async function measureSockets({ seconds, rounds, undo }) {
  const ways = [];
  for (const [name, ports] of /** @type {const} */ ([
    ['TCP', true],
    ['unix', false],
  ])) {
    const fleet = await startFleet({ undo, ports });
    ways.push({ name, fleet, small: await fleet.deploy('micro'), echo: await fleet.deploy('echo', ECHO, 128) });
  }
  for (const { small } of ways) await load(small, { clients: 32, seconds: WARM_UP_SECONDS });
  const rows = [];
  for (const { clients, bytes } of LOADS) {
    const measured = ways.map(({ name, fleet, small, echo }) => {
      /** @type {{ rate: number, p50: number, balancer: number, runner: number }[]} */
      const results = [];
      return { name, fleet, url: bytes > 2 ? echo : small, results };
    });
    for (const { url } of measured) await load(url, { clients, seconds: 2, bytes });
    for (let round = 0; round < rounds; round += 1) {
      for (const { fleet, url, results } of measured) {
        const { result, cpu } = await withCpu(fleet, () => load(url, { clients, seconds, bytes }));
        const calls = result.rate * seconds;
        results.push({ ...result, balancer: cpu.balancer / calls, runner: cpu.runner / calls });
      }
    }
    for (const { name, results } of measured) {
      const of = (/** @type {'rate' | 'p50' | 'balancer' | 'runner'} */ what) =>
        median(results.map((each) => each[what]));
      const [balancer, runner] = [of('balancer') * 1e6, of('runner') * 1e6];
      const what = bytes > 2 ? `${bytes / KIB} KiB × ${clients}` : `${clients}`;
      rows.push([
        what,
        name,
        ...[of('rate'), balancer, runner, balancer + runner].map(Math.round),
        of('p50').toFixed(2),
      ]);
    }
  }
  return table(['clients', 'over', 'calls/s', 'balancer µs', 'runner µs', 'both', 'p50 ms'], rows);
}
