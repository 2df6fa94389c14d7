import { startFleet } from './fleet.mjs';
import { ms, table } from './statistics.mjs';
import { load } from './wrk.mjs';

const CLIENTS = 64;
const SLEEP_MS = 50;

/**
 * Needs as many containers as clients; at best, each client makes one call per 50 ms.
 * @param {import('./trees.mjs').BenchOptions} options
 */
export async function measureSleeping({ seconds, rounds, undo }) {
  const fleet = await startFleet({ undo });
  const url = await fleet.deploy('sleeping', { MICRO_SLEEP_MS: `${SLEEP_MS}` });
  console.error('  warming up, until there is a container for each client');
  await load(url, { clients: CLIENTS, seconds: 30 });
  const results = [];
  for (let round = 0; round < rounds; round += 1) results.push(await load(url, { clients: CLIENTS, seconds }));
  const best = (CLIENTS * 1000) / SLEEP_MS;
  const rows = results.map(({ rate, p50, p99, failed }) => [
    CLIENTS,
    best,
    Math.round(rate),
    ms(p50),
    ms(p99),
    failed,
    (rate / best).toFixed(2),
  ]);
  return table(['clients', 'possible calls/s', 'calls/s', 'p50 ms', 'p99 ms', 'failed', 'ratio'], rows);
}
