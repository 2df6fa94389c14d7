import { startFleet } from './fleet.mjs';
import { startFloor } from './floor.mjs';
import { callOnce, sleep } from './one-call.mjs';
import { median, ms, quantile, table } from './statistics.mjs';

const CALLS = 100;
/** The case of most functions: nobody has called for a while, and the container is frozen. */
const PAUSE_MS = 150;

/**
 * A call after a pause, through the floor and through the whole path. They take turns, all after the same pause.
 * @param {import('./trees.mjs').BenchOptions} options
 */
export async function measureSilence({ undo, trees }) {
  /** @type {{ name: string, url: string, took: number[] }[]} */
  const ways = [{ name: 'floor', url: await startFloor(undo), took: [] }];
  for (const tree of trees) {
    ways.push({ name: tree.name, url: await (await startFleet({ undo, tree })).deploy('micro'), took: [] });
  }
  for (const { url } of ways) for (let warm = 0; warm < 2000; warm += 1) await callOnce(url);
  for (let call = 0; call < CALLS; call += 1) {
    for (const { url, took } of ways) {
      await sleep(PAUSE_MS);
      took.push(await callOnce(url));
    }
  }
  const floor = median(ways[0]?.took ?? []);
  const rows = ways.map(({ name, took }) => [
    name,
    ms(median(took)),
    ms(quantile(took, 0.9)),
    ms(median(took) - floor),
  ]);
  return table(['code', 'p50 ms', 'p90 ms', 'more than the floor, p50 ms'], rows);
}
