import { AliasTable, exponential, type Random, randomStream } from '../random.js';
import { execMs, gapMs, initMs } from './call-times.js';
import { type FunctionProfile, newCallTable, paced, type Workload, type WorkloadNeed } from './workload.js';

/** A function with the properties of its calls. */
export interface FunctionDemand extends FunctionProfile {
  readonly perSecond: number;
  readonly meanExecMs: number;
  /** Mean number of calls in a burst; 1: each call arrives alone. */
  readonly burst: number;
}

/**
 * An empty fleet starts a container for every call. Full load from the start would overload it, and it would stay
 * overloaded, which no fleet in use experiences. Therefore the rate rises over this first part of the run.
 */
export const EASED_IN = 0.2;
const EASED_FROM = 0.2;

/** Mean time between two calls of a burst. */
const BURST_GAP_MS = 20;

/**
 * Open-loop calls, which arrive regardless of the results of earlier ones: a Poisson process for each function, of
 * single calls or of bursts with a geometric size. The rates are then scaled together to exactly the requested load.
 */
export function openLoop(name: string, demands: readonly FunctionDemand[], need: WorkloadNeed): Workload {
  const { seed } = need;
  const arrivals = arrivalsOf(demands, need.calls, randomStream(seed, 'arrivals'));
  const durations = randomStream(seed, 'durations');
  const calls = newCallTable(need.calls);
  const span = arrivals.at(-1)?.at ?? 0;
  for (const [i, { at, fn }] of arrivals.entries()) {
    calls.atMs[i] = span * swung(at / span, need.swing);
    calls.fn[i] = fn;
    calls.execMs[i] = execMs(durations, (demands[fn] as FunctionDemand).meanExecMs);
    calls.initMs[i] = initMs(durations);
  }
  const functions = demands.map(({ appId, fnId, memoryMb }) => ({ appId, fnId, memoryMb }));
  const workload = paced({ name, functions, calls }, need.busyMb);
  easeIn(workload.calls.atMs);
  return workload;
}

/** Stretches the gaps between the first calls, so that the rate rises from a fifth to its full value. */
function easeIn(atMs: Float64Array): void {
  const rising = Math.floor(atMs.length * EASED_IN);
  let before = 0;
  let shift = 0;
  for (let i = 0; i < atMs.length; i += 1) {
    const at = atMs[i] as number;
    if (i < rising) shift += (at - before) * (1 / (EASED_FROM + (1 - EASED_FROM) * (i / rising)) - 1);
    before = at;
    atMs[i] = at + shift;
  }
}

interface Arrival {
  readonly at: number;
  readonly fn: number;
}

function arrivalsOf(demands: readonly FunctionDemand[], count: number, random: Random): Arrival[] {
  const bursts = demands.map(({ perSecond, burst }) => perSecond / burst);
  const table = new AliasTable(bursts);
  const perSecond = bursts.reduce((sum, rate) => sum + rate, 0);
  const arrivals: Arrival[] = [];
  let at = 0;
  while (arrivals.length < count) {
    at += gapMs(random, perSecond);
    const fn = table.draw(random);
    const { burst } = demands[fn] as FunctionDemand;
    arrivals.push({ at, fn });
    let later = at;
    while (burst > 1 && random() < 1 - 1 / burst) {
      later += BURST_GAP_MS * exponential(random);
      arrivals.push({ at: later, fn });
    }
  }
  return arrivals.sort((a, b) => a.at - b.at).slice(0, count);
}

/** The position in a run (0 to 1) of an arrival with the rate `1 - swing·cos(2πx)`: the inverse of its integral. */
function swung(share: number, swing: number): number {
  if (swing === 0) return share;
  let [low, high] = [0, 1];
  for (let i = 0; i < 40; i += 1) {
    const middle = (low + high) / 2;
    if (middle - (swing * Math.sin(2 * Math.PI * middle)) / (2 * Math.PI) < share) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
