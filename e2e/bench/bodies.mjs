import { startFleet } from './fleet.mjs';
import { startFloor } from './floor.mjs';
import { median, table } from './statistics.mjs';
import { load } from './wrk.mjs';

const KIB = 1024;
const SIZES = [
  { bytes: 64 * KIB, clients: 8 },
  { bytes: 1024 * KIB, clients: 4 },
  { bytes: 4096 * KIB, clients: 4 },
];
const ECHO = { MICRO_ECHO: '1' };

/**
 * Bodies there and back, against the floor that does the same.
 * @param {import('./trees.mjs').BenchOptions} options
 */
export async function measureBodies({ seconds, rounds, undo, trees }) {
  const ways = [{ name: 'floor', url: await startFloor(undo, ECHO) }];
  for (const tree of trees) {
    ways.push({ name: tree.name, url: await (await startFleet({ undo, tree })).deploy('echo', ECHO, 128) });
  }
  const rows = [];
  for (const { bytes, clients } of SIZES) {
    /** @type {Awaited<ReturnType<typeof load>>[][]} */
    const results = ways.map(() => []);
    for (const { url } of ways) await load(url, { clients, seconds: 5, bytes });
    for (let round = 0; round < rounds; round += 1) {
      for (const [at, { url }] of ways.entries()) results[at].push(await load(url, { clients, seconds, bytes }));
    }
    const rates = results.map((each) => median(each.map(({ rate }) => rate)));
    for (const [at, { name }] of ways.entries()) {
      rows.push([
        `${bytes / KIB} KiB × ${clients}`,
        name,
        Math.round((rates[at] * bytes) / (KIB * KIB)),
        (rates[at] / rates[0]).toFixed(2),
        results[at].reduce((sum, { failed }) => sum + failed, 0),
      ]);
    }
  }
  return table(['echo', 'code', 'MiB/s each way', 'over the floor', 'failed'], rows);
}
