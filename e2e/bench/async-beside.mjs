import { cpus } from 'node:os';
import { BACKLOG, depth, fnIdOf, newQueue, push } from './async.mjs';
import { containersStarted, startFleet } from './fleet.mjs';
import { sleep } from './one-call.mjs';
import { ms, table } from './statistics.mjs';
import { histogramsOf, ratioOf } from './turn-ratios.mjs';
import { load } from './wrk.mjs';

/**
 * @typedef {import('./wrk.mjs').Load} Load
 * @typedef {Awaited<ReturnType<typeof startFleet>>} Fleet
 */

/** Clients of the load that uses half of what the fleet can do. */
const MANY = 64;
/** So short that what else the machine does slows a turn alone and the one after it alike, and as long as the pauses of a busy balancer. */
const TURN_SECONDS = 2;
/** Of each kind, for each second and round that were asked for. */
const TURNS = 2;
/** After this time without a new container, the fleet is warm. */
const CALM_SECONDS = 4;
const MAX_WARM_SECONDS = 40;
/** Only the kinds of sync calls whose names have this in them: `BENCH_ROWS='20 ms'`. */
const ROWS = process.env.BENCH_ROWS ?? '';
/** After the backlog was held back or let go, until the next turn. */
const SETTLE_MS = 300;

/**
 * Sync calls alone, and while a backlog of another function runs through the same processes, in short turns. The percentiles are those of
 * all calls of the turns of a kind. How much turns differ gives the interval in which a ratio lies with a probability of 95 %. Every second
 * turn alone against the others alone is the noise. Alone, a rate limit holds the backlog back.
 * @param {import('./trees.mjs').BenchOptions} options
 */
export async function measureAsyncBeside({ seconds, rounds, undo, trees }) {
  const rows = [];
  for (const tree of trees) {
    const { url: mqUrl, queue } = await newQueue(undo);
    const fleet = await startFleet({ undo, tree, settings: { FN_MQ_URL: mqUrl } });
    const background = fnIdOf(await fleet.deploy('background'));
    const url = await fleet.deploy('micro');
    const slow = await fleet.deploy('slow', { MICRO_SLEEP_MS: '20' });
    await hold(fleet, background, true);
    await push(queue, background, BACKLOG);
    await queue.close();
    const { rate } = await warm(fleet, () => load(url, { clients: MANY, seconds: 2 }));
    const pauseMs = (1_000 * MANY) / (rate / 2);
    /** @type {[string, () => Promise<Load>][]} */
    const kinds = [
      [
        `${MANY} clients with pauses, half of the capacity`,
        () => load(url, { clients: MANY, seconds: TURN_SECONDS, pauseMs }),
      ],
      ['4 clients, answers at once', () => load(url, { clients: 4, seconds: TURN_SECONDS })],
      ['8 clients, answers at once', () => load(url, { clients: 8, seconds: TURN_SECONDS })],
      ['8 clients, takes 20 ms', () => load(slow, { clients: 8, seconds: TURN_SECONDS })],
    ];
    const pairs = Math.max(2, Math.round(TURNS * seconds * rounds));
    for (const [name, run] of kinds.filter(([name]) => name.includes(ROWS)))
      rows.push([tree.name, name, ...(await inTurns(fleet, background, run, pairs))]);
  }
  const heading = (/** @type {string} */ what) => [`${what} alone, ms`, 'alone again', 'beside a backlog'];
  const loads = ['calls/s', 'CPU alone, beside', 'drained/s', 'containers started'];
  return table(['code', 'sync calls', ...heading('p50'), ...heading('p99'), ...loads], rows);
}

/**
 * @param {Fleet} fleet
 * @param {string} background the function of the backlog
 * @param {() => Promise<Load>} run
 * @param {number} pairs of a turn alone and one beside the backlog
 */
async function inTurns(fleet, background, run, pairs) {
  await hold(fleet, background, false);
  await warm(fleet, run);
  await hold(fleet, background, true);
  await warm(fleet, run);
  const before = await containersStarted(fleet);
  /** @type {{ alone: Load[], beside: Load[] }} */
  const loads = { alone: [], beside: [] };
  const cpu = { alone: newCpu(), beside: newCpu() };
  const drain = { calls: 0, seconds: 0 };
  for (let pair = 0; pair < pairs; pair += 1) {
    await sleep(SETTLE_MS);
    await cpu.alone.during(async () => loads.alone.push(await run()));
    await hold(fleet, background, false);
    await sleep(SETTLE_MS);
    const [waiting, from] = [await depth(fleet), performance.now()];
    await cpu.beside.during(async () => loads.beside.push(await run()));
    drain.calls += waiting - (await depth(fleet));
    drain.seconds += (performance.now() - from) / 1_000;
    await hold(fleet, background, true);
  }
  const started = (await containersStarted(fleet)) - before;
  const { alone, beside } = histogramsOf(loads);
  const odd = (/** @type {typeof alone} */ turns) => turns.filter((_, at) => at % 2 === 1);
  const even = (/** @type {typeof alone} */ turns) => turns.filter((_, at) => at % 2 === 0);
  const cells = (/** @type {number} */ share) => {
    const [noise, ratio] = [ratioOf(odd(alone), even(alone), share), ratioOf(beside, alone, share)];
    return [ms(ratio.base), shown(noise), shown(ratio)];
  };
  const rate = loads.alone.reduce((sum, each) => sum + each.rate, 0) / pairs;
  const used = `${cpu.alone.percent()} %, ${cpu.beside.percent()} %`;
  return [...cells(0.5), ...cells(0.99), Math.round(rate), used, Math.round(drain.calls / drain.seconds), started];
}

/** @param {import('./turn-ratios.mjs').Ratio} ratio */
const shown = ({ ratio, low, high }) => `${ratio.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`;

/** The CPU of the machine that is in use during some actions. */
function newCpu() {
  const sums = { busy: 0, all: 0 };
  return {
    /** @param {() => Promise<unknown>} action */
    async during(action) {
      const before = cpuTimes();
      await action();
      const after = cpuTimes();
      sums.busy += after.busy - before.busy;
      sums.all += after.all - before.all;
    },
    percent: () => Math.round((100 * sums.busy) / sums.all),
  };
}

function cpuTimes() {
  const times = cpus().map((each) => each.times);
  const all = times.reduce((sum, { user, nice, sys, irq, idle }) => sum + user + nice + sys + irq + idle, 0);
  return { all, busy: all - times.reduce((sum, { idle }) => sum + idle, 0) };
}

/** Puts load on a fleet until no more containers start. @returns the last one @param {Fleet} fleet @param {() => Promise<Load>} run */
async function warm(fleet, run) {
  let last = await run();
  let started = await containersStarted(fleet);
  let since = performance.now();
  const until = since + 1_000 * MAX_WARM_SECONDS;
  while (performance.now() < Math.min(until, since + 1_000 * CALM_SECONDS)) {
    last = await run();
    const now = await containersStarted(fleet);
    if (now !== started) since = performance.now();
    started = now;
  }
  return last;
}

/** Holds the calls of a function back by a rate limit, or lets them run. @param {Fleet} fleet @param {string} fnId @param {boolean} held */
async function hold({ apiUrl }, fnId, held) {
  const rate = held ? { calls: 1, per: 86_400 } : { calls: 1_000_000, per: 1 };
  const body = JSON.stringify({ annotations: { 'fnfleet/async': { rate } } });
  const { ok, status } = await fetch(`${apiUrl}/v2/fns/${fnId}`, { method: 'PUT', body });
  if (!ok) throw new Error(`the rate limit was answered ${status}`);
}
