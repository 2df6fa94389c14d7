import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { startFleet } from './fleet.mjs';
import { median, table } from './statistics.mjs';
import { load } from './wrk.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const CLIENTS = 32;
const WARM_UP_SECONDS = 8;
const SAMPLED = { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' };
/** What the kernel counts processor time in, per second. */
const TICKS = 100;

/**
 * What traces and metrics cost: fleets that export to a collector, sampled as by default and all of it, beside one that does
 * not. Two fleets that are set up alike differ by some percent for as long as they live, as their code happens to be compiled:
 * so each round has fleets of its own, and what counts is the median of the rounds. Processor time a call, of balancer and
 * runner together, is less noisy than calls a second.
 * @param {import('./trees.mjs').BenchOptions} options
 */
export async function measureTelemetry({ seconds, rounds, undo }) {
  const sink = await startSink(undo);
  const otlp = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${sink.port}` };
  const kinds = {
    'no collector': {},
    'as by default (1 %)': otlp,
    'every call': { ...otlp, OTEL_TRACES_SAMPLER: 'always_on' },
  };
  /** @type {Record<string, { rate: number, cpu: number, failed: number }[]>} */
  const results = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, []]));
  for (let round = 1; round <= 2 * rounds; round += 1) {
    console.error(`  round ${round} of ${2 * rounds}`);
    // Which is started first makes a difference as well.
    const turned = rotate(Object.entries(kinds), round);
    for (const [kind, result] of await measureRound(turned, seconds)) results[kind].push(result);
  }
  if ((await sink.requests()) === 0) throw new Error('nothing has reached the collector');
  return table(
    ['exported', 'calls/s', 'ratio', 'CPU µs a call', 'ratio', 'failed'],
    Object.entries(results).map(([kind, own]) => row(kind, own, results['no collector'])),
  );
}

async function measureRound(kinds, seconds) {
  const undo = [];
  try {
    const fleets = [];
    for (const [kind, settings] of kinds) {
      const fleet = await startFleet({ undo, settings });
      fleets.push({ kind, fleet, url: await fleet.deploy('traced') });
    }
    for (const { url } of fleets) {
      // Code that runs for one call in a hundred would take minutes to be compiled.
      await load(url, { clients: CLIENTS, seconds: WARM_UP_SECONDS, headers: SAMPLED });
      await load(url, { clients: CLIENTS, seconds: WARM_UP_SECONDS });
    }
    // There and back again: what comes and goes on the machine meets all of them alike.
    const there = await inTurn(fleets, seconds);
    const back = await inTurn(fleets.toReversed(), seconds);
    return fleets.map((one) => [one.kind, mean(there.get(one), back.get(one))]);
  } finally {
    for (const step of undo.reverse()) await step();
  }
}

function rotate(list, by) {
  const at = by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}

async function inTurn(fleets, seconds) {
  const results = new Map();
  for (const one of fleets) results.set(one, await measure(one, seconds));
  return results;
}

function mean(a, b) {
  return { rate: (a.rate + b.rate) / 2, cpu: (a.cpu + b.cpu) / 2, failed: a.failed + b.failed };
}

async function measure({ fleet, url }, seconds) {
  const before = fleet.pids.map(cpuSeconds);
  const { rate, failed } = await load(url, { clients: CLIENTS, seconds });
  const used = fleet.pids.reduce((sum, pid, at) => sum + cpuSeconds(pid) - before[at], 0);
  return { rate, failed, cpu: (used * 1e6) / (rate * seconds) };
}

function row(kind, results, plain) {
  const rate = median(results.map((result) => result.rate));
  const cpu = median(results.map((result) => result.cpu));
  // Of each round by itself: the machine is not the same from one round to the next.
  const ratio = (of) => median(results.map((result, at) => of(result) / of(plain[at]))).toFixed(2);
  const failed = results.reduce((sum, result) => sum + result.failed, 0);
  return [kind, Math.round(rate), ratio((result) => result.rate), Math.round(cpu), ratio(({ cpu }) => cpu), failed];
}

/** User and system time of a process. */
function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

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
