import type { Random } from './sfc32.js';

/** Exponential distribution. @returns a value of mean 1 */
export function exponential(random: Random): number {
  return -Math.log(1 - random());
}

/** Normal distribution by the Box–Muller method, of which only one value is used. */
export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** @param mu mean of the logarithm */
export function logNormal(random: Random, mu: number, sigma: number): number {
  return Math.exp(mu + sigma * normal(random));
}

/** Burr type XII distribution. */
export function burr(random: Random, { c, k, scale }: { c: number; k: number; scale: number }): number {
  return scale * ((1 - random()) ** (-1 / k) - 1) ** (1 / c);
}

/** A distribution given by some of its quantiles: `[share, value]`, both ascending, interpolated log-linearly. */
export type Quantiles = readonly (readonly [share: number, value: number])[];

export function quantileOf(quantiles: Quantiles, share: number): number {
  const above = quantiles.findIndex(([at]) => at >= share);
  const [highAt, high] = quantiles.at(above) as readonly [number, number];
  if (above <= 0) return high;
  const [lowAt, low] = quantiles[above - 1] as readonly [number, number];
  const along = (share - lowAt) / (highAt - lowAt);
  return low * (high / low) ** along;
}
