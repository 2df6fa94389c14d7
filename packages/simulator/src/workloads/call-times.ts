import { burr, exponential, logNormal, type Quantiles, quantileOf, type Random } from '../random.js';

/**
 * Distributions of execution time, memory, and start time of containers.
 *
 * Durations and memory use the fits that Shahrad and others published with the Azure Functions trace of 2019
 * ("Serverless in the Wild", USENIX ATC 2020). Assumptions, because the paper does not cover them: how the durations of
 * one function vary around its mean, and how long a container takes to start.
 */
export const AZURE_DURATION = { mu: -0.38, sigma: 2.36 };
export const AZURE_MEMORY = { c: 11.652, k: 0.221, scale: 107.083 };
export const AZURE_FUNCTIONS_PER_APP: Quantiles = [
  [0.54, 1],
  [0.95, 10],
  [0.9996, 100],
  [1, 200],
];

/** Maximum mean duration: Fn ends a call after 30 s unless its function has another timeout. */
export const MAX_EXEC_MS = 30_000;
const MIN_EXEC_MS = 1;
const CALL_SIGMA = 0.5;
const INIT_MEDIAN_MS = 500;
const INIT_SIGMA = 0.5;

/** Mean execution time of a function: log-normal over functions; values beyond the limit are drawn again. */
export function meanExecMs(random: Random): number {
  for (;;) {
    const ms = 1000 * logNormal(random, AZURE_DURATION.mu, AZURE_DURATION.sigma);
    if (ms <= MAX_EXEC_MS) return ms;
  }
}

/** Memory of the functions of an app in whole megabytes: Burr-distributed over apps, at most `limitMb`. */
export function memoryMb(random: Random, limitMb: number): number {
  return Math.min(limitMb, Math.ceil(burr(random, AZURE_MEMORY)));
}

export function functionsOfApp(random: Random): number {
  const share = random();
  return share <= 0.54 ? 1 : Math.round(quantileOf(AZURE_FUNCTIONS_PER_APP, share));
}

/** Execution time of one call: log-normal around the mean of its function. */
export function execMs(random: Random, meanMs: number): number {
  const ms = meanMs * logNormal(random, -(CALL_SIGMA ** 2) / 2, CALL_SIGMA);
  return Math.min(MAX_EXEC_MS, Math.max(MIN_EXEC_MS, ms));
}

/**
 * Start time of a container until the function receives its first request: log-normal, with a median of half a second.
 */
export function initMs(random: Random): number {
  return logNormal(random, Math.log(INIT_MEDIAN_MS), INIT_SIGMA);
}

/** Interarrival time at a given rate per second. @returns milliseconds */
export function gapMs(random: Random, perSecond: number): number {
  return (1000 * exponential(random)) / perSecond;
}
