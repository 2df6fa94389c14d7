import { withCleanUp } from './clean-up.mjs';
import { startFleet } from './fleet.mjs';
import { median, ms, table } from './statistics.mjs';
import { load } from './wrk.mjs';

const CLIENTS = 8;
const FIRST_SECONDS = 3;
const WARM_UP_SECONDS = 20;

/**
 * The rate of a fleet right after its start, against its rate when warm. Each round has a fleet of its own.
 * @param {import('./trees.mjs').BenchOptions} options
 */
export async function measureFirstSeconds({ rounds, seconds, trees }) {
  const rows = [];
  for (const tree of trees) {
    /** @type {number[]} */
    const first = [];
    let warm = 0;
    for (let round = 0; round < rounds; round += 1) {
      await withCleanUp(async (undo) => {
        const url = await (await startFleet({ undo, tree })).deploy('micro');
        // Only starts the container.
        await load(url, { clients: 1, seconds: 0.1 });
        first.push((await load(url, { clients: CLIENTS, seconds: FIRST_SECONDS })).rate);
        if (round < rounds - 1) return;
        await load(url, { clients: CLIENTS, seconds: WARM_UP_SECONDS });
        warm = (await load(url, { clients: CLIENTS, seconds })).rate;
      });
    }
    const cold = median(first);
    rows.push([tree.name, CLIENTS, Math.round(cold), Math.round(warm), ms(cold / warm)]);
  }
  return table(['code', 'clients', `first ${FIRST_SECONDS} s, calls/s`, 'warm, calls/s', 'ratio'], rows);
}
