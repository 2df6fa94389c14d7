import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readSettings, wallMs } from '@fnfleet/core';
import { asyncMessage } from '@fnfleet/lb-agent';
import { openQueue, queueSettings } from '@fnfleet/queue';
import { withCleanUp } from './clean-up.mjs';
import { startFleet } from './fleet.mjs';
import { sleep } from './one-call.mjs';
import { cpuSecondsOf, residentMib } from './processes.mjs';
import { median, ms, quantile, table } from './statistics.mjs';
import { load } from './wrk.mjs';

/**
 * @typedef {import('./trees.mjs').BenchOptions} BenchOptions
 * @typedef {import('./wrk.mjs').Load} Load
 * @typedef {Awaited<ReturnType<typeof startFleet>>} Fleet
 */

const ASYNC = { 'fn-invoke-type': 'async' };
const CLIENTS = 64;
const BODY_BYTES = 1024;
const WARM_UP_SECONDS = 10;
/** Calls that wait while others are measured. */
export const BACKLOG = 100_000;
/** Of these, one function gets 64: as many calls at a time as there are clients of sync calls. */
const CONSUMERS = 96;
const AS_MANY = { FN_ASYNC_CONSUMERS: `${CONSUMERS}` };

/**
 * Accepted calls a second, each on disk with a sync, while none of them runs, and while they run; and sync calls in the same run.
 * @param {BenchOptions} options
 */
export async function measureAsyncAccept({ seconds, rounds, undo }) {
  const fleet = await startFleet({ undo });
  const url = await fleet.deploy('micro');
  const sync = { clients: CLIENTS, seconds, bytes: BODY_BYTES };
  const async_ = { ...sync, headers: ASYNC };
  await load(url, { ...sync, seconds: WARM_UP_SECONDS });
  await load(url, async_);
  /** @type {Record<'alone' | 'waiting' | 'running', Load[]>} */
  const { alone, waiting, running } = { alone: [], waiting: [], running: [] };
  for (let round = 0; round < rounds; round += 1) {
    await drained(fleet);
    alone.push(await load(url, sync));
    await cordon(fleet, true);
    waiting.push(await load(url, async_));
    await cordon(fleet, false);
    running.push(await load(url, async_));
  }
  const floor = median(alone.map(({ rate }) => rate));
  /** @param {string} name @param {readonly Load[]} loads */
  const row = (name, loads) => {
    const rate = median(loads.map((each) => each.rate));
    const [p50, p99] = [median(loads.map((each) => each.p50)), median(loads.map((each) => each.p99))];
    const failed = loads.reduce((sum, each) => sum + each.failed, 0);
    return [name, Math.round(rate), (rate / floor).toFixed(2), ms(p50), ms(p99), failed];
  };
  return table(
    [`${CLIENTS} clients, 1 KiB`, 'a second', 'of the sync rate', 'p50 ms', 'p99 ms', 'refused'],
    [row('sync calls', alone), row('accepted, none runs', waiting), row('accepted, while they run', running)],
  );
}

/**
 * How fast a backlog runs, against sync calls of the same function by as many clients, in turns; and what a call costs each process,
 * which depends less on what else goes on.
 * @param {BenchOptions} options
 */
export async function measureAsyncDrain({ seconds, rounds, undo, trees }) {
  const rows = [];
  for (const tree of trees) {
    const fleet = await startFleet({ undo, tree, settings: AS_MANY });
    const url = await fleet.deploy('micro');
    const sync = { clients: CLIENTS, seconds, bytes: BODY_BYTES };
    await load(url, { ...sync, seconds: WARM_UP_SECONDS });
    await fill(fleet, url, 30_000);
    await drainRate(fleet);
    /** @type {Record<'rates' | 'drains', { rate: number, micros: number[] }[]>} */
    const { rates, drains } = { rates: [], drains: [] };
    for (let round = 0; round < rounds; round += 1) {
      const before = cpuOf(fleet);
      const { rate } = await load(url, sync);
      rates.push({ rate, micros: microsBetween(before, cpuOf(fleet), rate * seconds) });
      await fill(fleet, url, Math.ceil(rate * seconds));
      drains.push(await drainRate(fleet));
    }
    const ratios = drains.map(({ rate }, at) => rate / (rates[at]?.rate ?? Number.NaN));
    const row = (/** @type {string} */ what, /** @type {typeof rates} */ measured) => [
      tree.name,
      what,
      Math.round(median(measured.map(({ rate }) => rate))),
      ...[0, 1, 2].map((at) => Math.round(median(measured.map(({ micros }) => micros[at] ?? Number.NaN)))),
    ];
    rows.push([...row('sync calls', rates), '']);
    const all = ratios.map((ratio) => ratio.toFixed(2)).join(', ');
    rows.push([...row(`drained, FN_ASYNC_CONSUMERS=${CONSUMERS}`, drains), `${median(ratios).toFixed(2)} (${all})`]);
  }
  return table(['code', '', 'a second', 'API node µs', 'balancer µs', 'runner µs', 'of the sync rate'], rows);
}

/** CPU seconds of API node, balancer and runner. @param {Fleet} fleet */
function cpuOf({ apiPid, lbPid, runnerPid }) {
  return [apiPid, lbPid, runnerPid].map(cpuSecondsOf);
}

/** What each call has cost. @param {number[]} before @param {number[]} after @param {number} calls */
function microsBetween(before, after, calls) {
  return after.map((seconds, at) => (1e6 * (seconds - (before[at] ?? 0))) / calls);
}

/**
 * From accepted to leased, and to ended, when nothing else goes on: by the records of the calls, whose times are whole milliseconds.
 * @param {BenchOptions} options
 */
export async function measureAsyncStart({ rounds, undo }) {
  const fleet = await startFleet({ undo });
  const url = await fleet.deploy('micro');
  await load(url, { clients: 1, seconds: WARM_UP_SECONDS });
  /** @type {Record<'started' | 'ended' | 'answered', number[]>} */
  const { started, ended, answered } = { started: [], ended: [], answered: [] };
  for (let n = 0; n < 100 * (rounds + 1); n += 1) {
    const from = performance.now();
    const response = await fetch(url, { method: 'POST', headers: ASYNC, body: '{}' });
    const { call_id } = /** @type {{ call_id: string }} */ (await response.json());
    const tookMs = performance.now() - from;
    let call = await callOf(fleet, call_id);
    while (call.status !== 'success') {
      await sleep(2);
      call = await callOf(fleet, call_id);
    }
    // The first ones warm up.
    if (n < 100) continue;
    answered.push(tookMs);
    started.push(Date.parse(call.started_at) - Date.parse(call.created_at));
    ended.push(Date.parse(call.completed_at) - Date.parse(call.created_at));
  }
  /** @param {string} name @param {readonly number[]} values */
  const row = (name, values) => [name, ms(quantile(values, 0.5)), ms(quantile(values, 0.99))];
  return table(
    [`${started.length} calls, one after the other`, 'p50 ms', 'p99 ms'],
    [
      row('request until 202', answered),
      row('accepted until leased', started),
      row('accepted until its success is on disk', ended),
    ],
  );
}

/**
 * What a backlog costs API node and balancer: memory, the time to open the queue, to accept, list, describe and reserve; and how fast it
 * runs. The calls are put into the file before the API node opens it.
 * @param {BenchOptions} options
 */
export async function measureAsyncMemory({ seconds }) {
  const rows = [];
  for (const calls of new Set([1_000, BACKLOG, Number(process.env.BENCH_BACKLOG ?? BACKLOG)])) {
    rows.push(await withCleanUp((undo) => measureBacklog(calls, seconds, undo)));
  }
  const heading = [
    'calls that wait',
    'file MiB',
    'opened in ms',
    'API node, balancer MiB: opened',
    'after accepting',
    'after draining',
  ];
  const latencies = ['list, describe, p50 ms', 'accepted a second', 'reservation ms', 'drained a second'];
  return table([...heading, ...latencies], rows);
}

/** @param {number} calls @param {number} seconds @param {import('./clean-up.mjs').CleanUp} undo */
async function measureBacklog(calls, seconds, undo) {
  const { url: mqUrl, queue } = await newQueue(undo);
  const fleet = await startFleet({ undo, settings: { FN_MQ_URL: mqUrl, ...AS_MANY } });
  const url = await fleet.deploy('micro');
  const fnId = fnIdOf(url);
  await load(url, { clients: CLIENTS, seconds: WARM_UP_SECONDS, bytes: BODY_BYTES });
  await cordon(fleet, true);
  const last = await push(queue, fnId, calls);
  const { bytes } = await queue.stats();
  await queue.close();
  const memory = () => [fleet.apiPid, fleet.lbPid].map((pid) => Math.round(residentMib(pid))).join(', ');
  const timed = async (/** @type {string} */ at) => {
    const from = performance.now();
    const { status } = await fetch(`${fleet.apiUrl}${at}`).then(async (response) => {
      await response.text();
      return response;
    });
    return { status, took: performance.now() - from };
  };
  // Another process has had the file until now: the API node tries again once a second.
  await sleep(1_500);
  const opened = await timed(`/v2/calls/${last}`);
  if (opened.status !== 200) throw new Error(`the queue is not open: ${opened.status}`);
  await sleep(2_000);
  const afterOpening = memory();
  const median30 = async (/** @type {string} */ at) => {
    const all = [];
    for (let n = 0; n < 30; n += 1) all.push((await timed(at)).took);
    return ms(median(all));
  };
  const shown = [await median30(`/v2/fns/${fnId}/calls?per_page=30`), await median30(`/v2/calls/${last}`)];
  const accepted = await load(url, { clients: CLIENTS, seconds, bytes: BODY_BYTES, headers: ASYNC });
  const afterAccepting = memory();
  const before = await reservations(fleet);
  const [from, left] = [performance.now(), await ended(fleet)];
  await cordon(fleet, false);
  const limit = Math.min(50_000, 0.9 * calls);
  while ((await ended(fleet)) - left < limit) await sleep(200);
  const drained = (1_000 * ((await ended(fleet)) - left)) / (performance.now() - from);
  const after = await reservations(fleet);
  const reservation = (1_000 * (after.sum - before.sum)) / (after.count - before.count);
  return [
    ...[calls, Math.round(bytes / 2 ** 20), Math.round(opened.took), afterOpening, afterAccepting, memory()],
    ...[shown.join(', '), Math.round(accepted.rate), ms(reservation), Math.round(drained)],
  ];
}

/** Calls that `measureAsyncMillion` hands in. */
const MILLION = Number(process.env.BENCH_CALLS ?? 1_000_000);

/**
 * Hands in a million calls over HTTP, and lets all of them run: how many were accepted, ended, were lost or ran twice; rates; and the memory of
 * the API node. Takes minutes.
 * @param {BenchOptions} options
 */
export async function measureAsyncMillion({ undo }) {
  const fleet = await startFleet({ undo, settings: AS_MANY });
  const url = await fleet.deploy('micro');
  await load(url, { clients: CLIENTS, seconds: WARM_UP_SECONDS, bytes: BODY_BYTES });
  const start = residentMib(fleet.apiPid);
  let peak = start;
  const watch = setInterval(() => {
    peak = Math.max(peak, residentMib(fleet.apiPid));
  }, 250);
  undo.push(() => clearInterval(watch));
  await cordon(fleet, true);
  let [told, refused, seconds] = [0, 0, 0];
  while (told < MILLION) {
    const portion = await load(url, { clients: CLIENTS, seconds: 5, bytes: BODY_BYTES, headers: ASYNC });
    told += portion.calls - portion.failed;
    refused += portion.failed;
    seconds += portion.calls / portion.rate;
  }
  const backlog = await depth(fleet);
  const from = performance.now();
  await cordon(fleet, false);
  await drained(fleet);
  const drainSeconds = (performance.now() - from) / 1_000;
  const text = await (await fetch(`${fleet.apiUrl}/metrics`)).text();
  const counter = (/** @type {string} */ name) =>
    Number(text.match(new RegExp(`^fn_mq_${name}_total\\S* (\\d+)`, 'm'))?.[1] ?? 0);
  const [accepted, succeeded, dead, twice] = ['accepted', 'completed', 'dead', 'redelivered'].map(counter);
  const mib = [start, peak, residentMib(fleet.apiPid)].map(Math.round).join(', ');
  return table(
    [`${CLIENTS} clients, 1 KiB`, ''],
    [
      ['calls that clients were told are accepted', told],
      ['calls that were refused', refused],
      // Those that wrk no longer waited for are accepted too.
      ['calls that the queue has accepted', Number(accepted)],
      ['ended in success', Number(succeeded)],
      ['dead letters', Number(dead)],
      ['lost', Number(accepted) - Number(succeeded) - Number(dead)],
      ['leased again after an attempt', Number(twice)],
      ['accepted a second', Math.round(told / seconds)],
      ['backlog', backlog],
      ['drained a second', Math.round(backlog / drainSeconds)],
      ['API node MiB: start, peak, end', mib],
    ],
  );
}

/** A queue in a file that an API node opens once it is closed here. @param {import('./clean-up.mjs').CleanUp} undo */
export async function newQueue(undo) {
  const folder = mkdtempSync(path.join(tmpdir(), 'fnfleet-mq-'));
  undo.push(() => rmSync(folder, { recursive: true, force: true }));
  const url = `sqlite3://${path.join(folder, 'mq.db')}`;
  return { url, queue: await openQueue(readSettings(queueSettings, { FN_MQ_URL: url })) };
}

/**
 * Puts calls into a queue as a balancer does. @returns the id of the last one
 * @param {Awaited<ReturnType<typeof openQueue>>} queue
 * @param {string} fnId
 * @param {number} calls
 */
export async function push(queue, fnId, calls) {
  const body = Buffer.alloc(BODY_BYTES, 'x');
  const idOf = (/** @type {number} */ n) => `01K0000000${String(n).padStart(16, '0')}`;
  for (let n = 0; n < calls; n += 1_000) {
    const portion = Array.from({ length: Math.min(1_000, calls - n) }, (_, at) =>
      queue.push(
        asyncMessage(
          {
            ...{
              id: idOf(n + at),
              fnId,
              method: 'POST',
              url: `http://127.0.0.1/invoke/${fnId}`,
              createdAt: wallMs(Date.now()),
            },
            headers: { 'Content-Type': ['application/octet-stream'] },
          },
          body,
        ),
      ),
    );
    await Promise.all(portion);
  }
  return idOf(calls - 1);
}

/** @param {string} url of the invocation */
export function fnIdOf(url) {
  return String(url.split('/').at(-1));
}

/** Calls that have ended. @param {Fleet} fleet */
async function ended({ apiUrl }) {
  const text = await (await fetch(`${apiUrl}/metrics`)).text();
  return Number(text.match(/^fn_mq_completed_total\S* (\d+)/m)?.[1] ?? 0);
}

/** Those that an API node has answered, and how long they took together, s. @param {Fleet} fleet */
async function reservations({ apiUrl }) {
  const text = await (await fetch(`${apiUrl}/metrics`)).text();
  const of = (/** @type {string} */ what) =>
    Number(
      text.match(
        new RegExp(`^fn_api_latency_${what}{path="/v2/runner/async/reserve",.*status="200".* (\\S+)$`, 'm'),
      )?.[1] ?? 0,
    );
  return { sum: of('sum') / 1_000, count: of('count') };
}

/** Calls wait until there are so many, and go on waiting. @param {Fleet} fleet @param {string} url @param {number} calls */
async function fill(fleet, url, calls) {
  await cordon(fleet, true);
  for (let missing = calls - (await depth(fleet)); missing > 0; missing = calls - (await depth(fleet))) {
    await load(url, { clients: CLIENTS, seconds: Math.max(1, missing / 4_000), bytes: BODY_BYTES, headers: ASYNC });
  }
}

/** Lets what waits run. @returns calls a second and what each cost, without the first and the last tenth. @param {Fleet} fleet */
async function drainRate(fleet) {
  const all = await depth(fleet);
  await cordon(fleet, false);
  const at = async (/** @type {number} */ share) => {
    for (;;) {
      const left = await depth(fleet);
      if (left <= all * share) return { left, time: performance.now(), cpu: cpuOf(fleet) };
      await sleep(250);
    }
  };
  const [from, to] = [await at(0.9), await at(0.1)];
  await drained(fleet);
  const calls = from.left - to.left;
  return { rate: (1_000 * calls) / (to.time - from.time), micros: microsBetween(from.cpu, to.cpu, calls) };
}

/** @param {Fleet} fleet */
async function drained(fleet) {
  while ((await depth(fleet)) > 0) await sleep(50);
}

/** How many calls wait or run. @param {Fleet} fleet */
export async function depth({ apiUrl }) {
  const text = await (await fetch(`${apiUrl}/metrics`)).text();
  const counter = (/** @type {string} */ name) =>
    Number(text.match(new RegExp(`^fn_mq_${name}_total\\S* (\\d+)`, 'm'))?.[1] ?? 0);
  return counter('accepted') - counter('completed') - counter('dead') - counter('cancelled');
}

/** Balancers take no asynchronous calls while their only runner is cordoned. @param {Fleet} fleet @param {boolean} cordoned */
async function cordon({ lbUrl, runnerAddress }, cordoned) {
  const url = `${lbUrl}/fleet/cordons/${encodeURIComponent(runnerAddress)}`;
  const { ok, status } = await fetch(url, { method: cordoned ? 'PUT' : 'DELETE' });
  if (!ok) throw new Error(`the cordon was answered ${status}`);
}

/**
 * @param {Fleet} fleet
 * @param {string} callId
 * @returns {Promise<Record<'status' | 'created_at' | 'started_at' | 'completed_at', string>>}
 */
async function callOf({ apiUrl }, callId) {
  const response = await fetch(`${apiUrl}/v2/calls/${callId}`);
  return JSON.parse(await response.text());
}
