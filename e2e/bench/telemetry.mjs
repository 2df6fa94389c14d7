import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { withCleanUp } from './clean-up.mjs';
import { startFleet } from './fleet.mjs';
import { withCpu } from './processes.mjs';
import { median, table } from './statistics.mjs';
import { load } from './wrk.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const CLIENTS = 32;
const WARM_UP_SECONDS = 8;
const SAMPLED = { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' };

/**
 * @typedef {{ rate: number, cpu: number, failed: number }} Cost calls per second, µs of CPU per call, failed calls
 * @typedef {{ kind: string, fleet: Awaited<ReturnType<typeof startFleet>>, url: string }} Measured
 */

/**
 * The cost of traces and metrics: fleets that export to a collector, with the default sampling and with every call, against one
 * that does not export. Two fleets with the same settings differ by some percent for as long as they live, depending on how
 * their code was compiled. So each round has its own fleets, and the result is the median of the rounds. CPU time per call, of
 * balancer and runner together, is less noisy than calls per second.
 * @param {import('./trees.mjs').BenchOptions} options
 */
export async function measureTelemetry({ seconds, rounds, undo }) {
  const sink = await startSink(undo);
  const otlp = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${sink.port}` };
  /** @type {Record<string, Record<string, string>>} settings by kind */
  const kinds = {
    'no collector': {},
    'as by default (1 %)': otlp,
    'every call': { ...otlp, OTEL_TRACES_SAMPLER: 'always_on' },
  };
  /** @type {Map<string, Cost[]>} */
  const results = new Map(Object.keys(kinds).map((kind) => [kind, []]));
  for (let round = 1; round <= 2 * rounds; round += 1) {
    console.error(`  round ${round} of ${2 * rounds}`);
    // The order of the starts makes a difference as well.
    const turned = rotate(Object.entries(kinds), round);
    for (const [kind, cost] of await measureRound(turned, seconds)) results.get(kind)?.push(cost);
  }
  if ((await sink.requests()) === 0) throw new Error('no export has reached the collector');
  return table(
    ['exported', 'calls/s', 'ratio', 'CPU µs a call', 'ratio', 'failed'],
    [...results].map(([kind, own]) => row(kind, own, results.get('no collector') ?? [])),
  );
}

/**
 * @param {readonly [kind: string, settings: Record<string, string>][]} kinds in the order of their starts
 * @param {number} seconds
 * @returns {Promise<[kind: string, cost: Cost][]>}
 */
function measureRound(kinds, seconds) {
  return withCleanUp(async (undo) => {
    /** @type {Measured[]} */
    const fleets = [];
    for (const [kind, settings] of kinds) {
      const fleet = await startFleet({ undo, settings });
      fleets.push({ kind, fleet, url: await fleet.deploy('traced') });
    }
    for (const { url } of fleets) {
      // With the default sampling, the code that runs for one call in a hundred would take minutes to be compiled.
      await load(url, { clients: CLIENTS, seconds: WARM_UP_SECONDS, headers: SAMPLED });
      await load(url, { clients: CLIENTS, seconds: WARM_UP_SECONDS });
    }
    // Once in this order and once in the reverse, so that other activity on the machine affects all fleets alike.
    const forward = await inTurn(fleets, seconds);
    const backward = await inTurn(fleets.toReversed(), seconds);
    return forward.map(({ kind, cost }, at) => [kind, mean(cost, backward.at(-1 - at)?.cost ?? cost)]);
  });
}

/**
 * @template Item
 * @param {readonly Item[]} list
 * @param {number} by
 */
function rotate(list, by) {
  const at = by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}

/** @param {readonly Measured[]} fleets @param {number} seconds */
async function inTurn(fleets, seconds) {
  const costs = [];
  for (const one of fleets) costs.push({ kind: one.kind, cost: await measure(one, seconds) });
  return costs;
}

/** @param {Cost} a @param {Cost} b @returns {Cost} */
function mean(a, b) {
  return { rate: (a.rate + b.rate) / 2, cpu: (a.cpu + b.cpu) / 2, failed: a.failed + b.failed };
}

/** @param {Measured} measured @param {number} seconds @returns {Promise<Cost>} */
async function measure({ fleet, url }, seconds) {
  const { result, cpu } = await withCpu(fleet, () => load(url, { clients: CLIENTS, seconds }));
  const { rate, failed } = result;
  return { rate, failed, cpu: ((cpu.balancer + cpu.runner) * 1e6) / (rate * seconds) };
}

/** @param {string} kind @param {readonly Cost[]} costs of each round @param {readonly Cost[]} plain those without a collector */
function row(kind, costs, plain) {
  // Ratios within each round, because the machine differs from one round to the next.
  const ratio = (/** @type {'rate' | 'cpu'} */ key) =>
    median(costs.map((cost, at) => cost[key] / (plain[at]?.[key] ?? Number.NaN))).toFixed(2);
  const [rate, cpu] = [median(costs.map((cost) => cost.rate)), median(costs.map((cost) => cost.cpu))];
  const failed = costs.reduce((sum, cost) => sum + cost.failed, 0);
  return [kind, Math.round(rate), ratio('rate'), Math.round(cpu), ratio('cpu'), failed];
}

/** @param {import('./clean-up.mjs').CleanUp} undo */
async function startSink(undo) {
  const sink = fork(path.join(here, 'otlp-sink.mjs'));
  undo.push(() => sink.kill());
  const [{ port }] = await once(sink, 'message');
  const requests = async () => {
    sink.send('count');
    const [answer] = await once(sink, 'message');
    return answer.requests;
  };
  return { port, requests };
}
