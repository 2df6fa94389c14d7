import { startFleet } from './fleet.mjs';
import { ms, table } from './statistics.mjs';
import { load } from './wrk.mjs';

const CLIENTS = 8;
const FIRST_SECONDS = 3;
const WARM_UP_SECONDS = 20;

/**
 * How fast a fleet is right after its start, of what it is when warm.
 * @param {import('./trees.mjs').BenchOptions} options
 */
export async function measureFirstSeconds({ rounds, seconds, undo, trees }) {
  const rows = [];
  for (const tree of trees) {
    const first = [];
    let warm = 0;
    for (let round = 0; round < rounds; round += 1) {
      const own = [];
      const url = await (await startFleet({ undo: own, tree })).deploy('micro');
      // The container, and no more.
      await load(url, { clients: 1, seconds: 0.1 });
      first.push((await load(url, { clients: CLIENTS, seconds: FIRST_SECONDS })).rate);
      if (round === rounds - 1) {
        await load(url, { clients: CLIENTS, seconds: WARM_UP_SECONDS });
        warm = (await load(url, { clients: CLIENTS, seconds })).rate;
      }
      for (const step of own.reverse()) await step();
    }
    const middle = first.toSorted((a, b) => a - b)[Math.floor(first.length / 2)];
    rows.push([tree.name, CLIENTS, Math.round(middle), Math.round(warm), ms(middle / warm)]);
  }
  void undo;
  return table(['code', 'clients', `first ${FIRST_SECONDS} s, calls/s`, 'warm, calls/s', 'ratio'], rows);
}
