import { encodeId } from '@fnfleet/core';
import { exponential, type Quantiles, quantileOf, type Random, randomStream } from '../random.js';
import { functionsOfApp, meanExecMs, memoryMb } from './call-times.js';
import { type FunctionDemand, openLoop } from './open-loop.js';
import type { WorkloadFactory } from './workload.js';

/**
 * Calls per day of an app: 45 % of apps have at most one per hour, 81 % at most one per minute, the rates span eight
 * orders of magnitude, and the busiest 18.6 % of apps make 99.6 % of all calls. Values between the published points are
 * interpolated log-linearly.
 */
export const AZURE_CALLS_PER_DAY: Quantiles = [
  [0, 0.011],
  [0.45, 24],
  [0.81, 1440],
  [1, 1.1e6],
];
const SECONDS_PER_DAY = 86_400;

/** Share of apps whose time between calls varies more than in a Poisson process. */
const BURSTY_APPS = 0.4;
const BURST = 3;

const APPS_PER_RUNNER = 3;
/** Maximum share of an app, like a quota: otherwise a single app could dominate the result of the whole fleet. */
const MAX_SHARE_OF_ONE_APP = 0.05;
const MEMORY_LIMIT_MB = 1024;

/**
 * Apps as in the Azure Functions trace of 2019, three for each runner, with relative rates, functions, durations and
 * memory as published. All rates are then scaled together to the requested load.
 */
export const azure: WorkloadFactory = {
  name: 'azure',
  doc: 'three apps per runner, with rates, functions, durations and memory as in the Azure Functions trace of 2019',
  create: (need) => {
    const random = randomStream(need.seed, 'functions');
    const apps: FunctionDemand[][] = [];
    let functions = 0;
    while (apps.length < APPS_PER_RUNNER * need.runners) {
      const app = drawApp(random, functions);
      apps.push(app);
      functions += app.length;
    }
    return openLoop('azure', withoutGiants(apps).flat(), need);
  },
};

/** Reduces the rates of apps that exceed the maximum share. */
function withoutGiants(apps: readonly FunctionDemand[][]): readonly FunctionDemand[][] {
  let tamed = apps;
  // Each reduction lowers the total, and so the maximum of a single app.
  for (let round = 0; round < 100; round += 1) {
    const limit = MAX_SHARE_OF_ONE_APP * tamed.reduce((sum, app) => sum + busyMb(app), 0);
    if (tamed.every((app) => busyMb(app) <= limit * 1.01)) break;
    tamed = tamed.map((app) => {
      const cut = Math.min(1, limit / busyMb(app));
      return app.map((fn) => ({ ...fn, perSecond: fn.perSecond * cut }));
    });
  }
  return tamed;
}

function drawApp(random: Random, firstIndex: number): FunctionDemand[] {
  const perSecond = quantileOf(AZURE_CALLS_PER_DAY, random()) / SECONDS_PER_DAY;
  const memory = memoryMb(random, MEMORY_LIMIT_MB);
  const burst = random() < BURSTY_APPS ? BURST : 1;
  const weights = Array.from({ length: functionsOfApp(random) }, () => exponential(random));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight, i) => ({
    appId: simulatedId(0, firstIndex),
    fnId: simulatedId(1, firstIndex + i),
    memoryMb: memory,
    perSecond: (perSecond * weight) / total,
    meanExecMs: meanExecMs(random),
    burst,
  }));
}

function busyMb(app: readonly FunctionDemand[]): number {
  return app.reduce((sum, { perSecond, meanExecMs: ms, memoryMb: mb }) => sum + (perSecond * ms * mb) / 1000, 0);
}

/** An id in the format of an API node, so that hashes get realistic input. */
export function simulatedId(kind: number, index: number): string {
  return encodeId(Date.UTC(2026, 0, 1), '10.0.0.1', 8080 + kind, index + 1);
}
