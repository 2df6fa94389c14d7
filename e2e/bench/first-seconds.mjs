import { withCleanUp } from './clean-up.mjs';
import { startFleet } from './fleet.mjs';
import { startFloor } from './floor.mjs';
import { withCpu } from './processes.mjs';
import { median, ms, table } from './statistics.mjs';
import { load } from './wrk.mjs';

const CLIENTS = 8;
const FIRST_SECONDS = 3;
const WARM_UP_SECONDS = 20;

/**
 * The rate of a fleet right after its start, against its rate when warm, and the CPU that both cost: on a machine with other work, only
 * CPU can be compared. Each round has a fleet of its own. The floor's own ratio stands beside it: a proxy of twenty lines, its function and
 * the compilers of V8 have to become warm as well.
 * @param {import('./trees.mjs').BenchOptions} options
 */
export async function measureFirstSeconds({ rounds, seconds, trees }) {
  const rows = [await measureFloor(rounds, seconds)];
  for (const tree of trees) {
    /** @type {Measured[]} */
    const first = [];
    let warm = { rate: Number.NaN, micros: Number.NaN };
    for (let round = 0; round < rounds; round += 1) {
      await withCleanUp(async (undo) => {
        const fleet = await startFleet({ undo, tree });
        const url = await fleet.deploy('micro');
        await startContainer(url);
        first.push(await measure(fleet, url, FIRST_SECONDS));
        if (round < rounds - 1) return;
        await load(url, { clients: CLIENTS, seconds: WARM_UP_SECONDS });
        warm = await measure(fleet, url, seconds);
      });
    }
    const cold = median(first.map(({ rate }) => rate));
    const micros = median(first.map((each) => each.micros));
    const cpu = [Math.round(micros), Math.round(warm.micros)];
    rows.push([tree.name, CLIENTS, Math.round(cold), Math.round(warm.rate), ms(cold / warm.rate), ...cpu]);
  }
  const heading = ['code', 'clients', `first ${FIRST_SECONDS} s, calls/s`, 'warm, calls/s', 'ratio'];
  return table([...heading, 'first: µs of CPU per call', 'warm: µs'], rows);
}

/**
 * @param {number} rounds
 * @param {number} seconds
 */
async function measureFloor(rounds, seconds) {
  /** @type {number[]} */
  const first = [];
  let warm = Number.NaN;
  for (let round = 0; round < rounds; round += 1) {
    await withCleanUp(async (undo) => {
      const url = await startFloor(undo);
      await startContainer(url);
      first.push((await load(url, { clients: CLIENTS, seconds: FIRST_SECONDS })).rate);
      if (round < rounds - 1) return;
      await load(url, { clients: CLIENTS, seconds: WARM_UP_SECONDS });
      warm = (await load(url, { clients: CLIENTS, seconds })).rate;
    });
  }
  const cold = median(first);
  return ['floor', CLIENTS, Math.round(cold), Math.round(warm), ms(cold / warm), '', ''];
}

/** @typedef {{ rate: number, micros: number }} Measured calls per second, and µs of CPU per call in balancer and runner */

/**
 * @param {Awaited<ReturnType<typeof startFleet>>} fleet
 * @param {string} url
 * @param {number} seconds
 * @returns {Promise<Measured>}
 */
async function measure(fleet, url, seconds) {
  const { result, cpu } = await withCpu(fleet, () => load(url, { clients: CLIENTS, seconds }));
  return { rate: result.rate, micros: ((cpu.balancer + cpu.runner) * 1e6) / (result.rate * seconds) };
}

/** One call, and no more: they are what is measured. @param {string} url */
async function startContainer(url) {
  const answer = await fetch(url, { method: 'POST', body: '{}' });
  await answer.arrayBuffer();
}
