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
 * Echoes of bodies through the whole path, against the floor that echoes the same.
 * @param {import('./trees.mjs').BenchOptions} options
 */
export async function measureBodies({ seconds, rounds, undo, trees }) {
  const ways = [{ name: 'floor', url: await startFloor(undo, ECHO) }];
  for (const tree of trees) {
    ways.push({ name: tree.name, url: await (await startFleet({ undo, tree })).deploy('echo', ECHO, 128) });
  }
  const rows = [];
  for (const { bytes, clients } of SIZES) {
    const measured = ways.map((way) => {
      /** @type {import('./wrk.mjs').Load[]} */
      const loads = [];
      return { ...way, loads };
    });
    for (const { url } of measured) await load(url, { clients, seconds: 5, bytes });
    for (let round = 0; round < rounds; round += 1) {
      for (const { url, loads } of measured) loads.push(await load(url, { clients, seconds, bytes }));
    }
    const rated = measured.map(({ name, loads }) => ({ name, loads, rate: median(loads.map(({ rate }) => rate)) }));
    for (const { name, loads, rate } of rated) {
      rows.push([
        `${bytes / KIB} KiB × ${clients}`,
        name,
        Math.round((rate * bytes) / (KIB * KIB)),
        (rate / (rated[0]?.rate ?? Number.NaN)).toFixed(2),
        loads.reduce((sum, { failed }) => sum + failed, 0),
      ]);
    }
  }
  return table(['echo', 'code', 'MiB/s each way', 'over the floor', 'failed'], rows);
}
