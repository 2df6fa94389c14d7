import { burr, exponential, logNormal, type Quantiles, quantileOf } from '../random/distributions.js';
import type { Random } from '../random/sfc32.js';

/**
 * How long functions run, how much memory they have and how long their containers take to start.
 *
 * Durations and memory are the fits that Shahrad and others published with the Azure Functions trace of 2019 ("Serverless
 * in the Wild", USENIX ATC 2020). What they do not tell, and is assumed here: the spread of the calls of one function
 * around its mean, and the time that a container takes to start.
 */
export const AZURE_DURATION = { mu: -0.38, sigma: 2.36 };
export const AZURE_MEMORY = { c: 11.652, k: 0.221, scale: 107.083 };
export const AZURE_FUNCTIONS_PER_APP: Quantiles = [
  [0.54, 1],
  [0.95, 10],
  [0.9996, 100],
  [1, 200],
];

/** Fn ends a call after 30 s unless its function says otherwise, so that no function has a longer mean here. */
export const MAX_EXEC_MS = 30_000;
const MIN_EXEC_MS = 1;
const CALL_SIGMA = 0.5;
const INIT_MEDIAN_MS = 500;
const INIT_SIGMA = 0.5;

/** Mean time that the calls of a function run: log-normal over functions, those beyond the limit drawn again. */
export function meanExecMs(random: Random): number {
  for (;;) {
    const ms = 1000 * logNormal(random, AZURE_DURATION.mu, AZURE_DURATION.sigma);
    if (ms <= MAX_EXEC_MS) return ms;
  }
}

/** Memory of the functions of an app, whole megabytes. Burr over apps, at most `limitMb`. */
export function memoryMb(random: Random, limitMb: number): number {
  return Math.min(limitMb, Math.ceil(burr(random, AZURE_MEMORY)));
}

export function functionsOfApp(random: Random): number {
  const share = random();
  return share <= 0.54 ? 1 : Math.round(quantileOf(AZURE_FUNCTIONS_PER_APP, share));
}

/** One call of a function with the given mean: log-normal around it. */
export function execMs(random: Random, meanMs: number): number {
  const ms = meanMs * logNormal(random, -(CALL_SIGMA ** 2) / 2, CALL_SIGMA);
  return Math.min(MAX_EXEC_MS, Math.max(MIN_EXEC_MS, ms));
}

/** Container and function, from nothing to the first byte of the request: log-normal, median half a second. */
export function initMs(random: Random): number {
  return logNormal(random, Math.log(INIT_MEDIAN_MS), INIT_SIGMA);
}

/** @returns milliseconds until the next of so many a second */
export function gapMs(random: Random, perSecond: number): number {
  return (1000 * exponential(random)) / perSecond;
}
