import { startFleet } from './fleet.mjs';
import { callOnce, sleep } from './one-call.mjs';
import { median, ms, quantile, table } from './statistics.mjs';

const CALLS = 100;
/** Between two calls of one function: long enough for the container to freeze, short enough to keep the connection. */
const PAUSE_MS = 150;

const KINDS = {
  'not frozen': { FN_FREEZE_IDLE_MSECS: '-1' },
  'frozen through its control group': { FN_FREEZE_IDLE_MSECS: '50' },
  'paused by the engine': { FN_FREEZE_IDLE_MSECS: '50', FN_FREEZE_THROUGH_ENGINE: '1' },
};

/**
 * The kinds take turns, all with the same pause before each call, because a machine that has idled is slower as well.
 * @param {import('./trees.mjs').BenchOptions} options
 */
export async function measureFrozen({ undo }) {
  /** @type {{ name: string, url: string, took: number[] }[]} */
  const kinds = [];
  for (const [name, settings] of Object.entries(KINDS)) {
    const url = await (await startFleet({ undo, settings })).deploy('micro');
    for (let warm = 0; warm < 200; warm += 1) await callOnce(url);
    kinds.push({ name, url, took: [] });
  }
  for (let call = 0; call < CALLS; call += 1) {
    for (const { url, took } of kinds) {
      await sleep(PAUSE_MS / kinds.length);
      took.push(await callOnce(url));
    }
  }
  const base = median(kinds[0]?.took ?? []);
  const rows = kinds.map(({ name, took }) => [
    name,
    ms(median(took)),
    ms(quantile(took, 0.9)),
    ms(median(took) - base),
  ]);
  return table(['container', 'p50 ms', 'p90 ms', 'more than not frozen, p50 ms'], rows);
}
