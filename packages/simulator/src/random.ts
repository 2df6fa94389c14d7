/** A uniform random number in [0, 1). The same seed gives the same sequence on every machine. */
export type Random = () => number;

/**
 * Chris Doty-Humphrey's sfc32 (small fast counting, 128 bits of state), seeded through splitmix32.
 * @param stream a name. Streams of one seed are independent, so that drawing more from one does not change the others
 */
export function randomStream(seed: number, stream: string): Random {
  const next = splitMix32(Math.imul(seed | 0, 0x9e3779b1) ^ fnv1a(stream));
  let [a, b, c, counter] = [next(), next(), next(), 1];
  const draw = () => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return (t >>> 0) / 2 ** 32;
  };
  // The first outputs still correlate with the seed.
  for (let i = 0; i < 12; i += 1) draw();
  return draw;
}

function splitMix32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let x = state ^ (state >>> 16);
    x = Math.imul(x, 0x21f0aaad);
    x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
    return x ^ (x >>> 15);
  };
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}

/** Exponential distribution. @returns a value of mean 1 */
export function exponential(random: Random): number {
  return -Math.log(1 - random());
}

/** Normal distribution by the Box–Muller method, of which only one value is used. */
function normal(random: Random): number {
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

/** Draws an index with a probability proportional to its weight, in constant time (Walker's alias method). */
export class AliasTable {
  private readonly keep: Float64Array;
  private readonly alias: Uint32Array;

  /** @param weights at least one, none negative, not all 0 */
  constructor(weights: readonly number[]) {
    const n = weights.length;
    const mean = weights.reduce((sum, weight) => sum + weight, 0) / n;
    if (!(mean > 0)) throw new RangeError('expected a weight above 0');
    this.keep = Float64Array.from(weights, (weight) => weight / mean);
    this.alias = new Uint32Array(n);
    const small: number[] = [];
    const large: number[] = [];
    for (let i = 0; i < n; i += 1) (this.share(i) < 1 ? small : large).push(i);
    while (small.length > 0 && large.length > 0) {
      const low = small.pop() as number;
      const high = large.at(-1) as number;
      this.alias[low] = high;
      this.keep[high] = this.share(high) - (1 - this.share(low));
      if (this.share(high) < 1) small.push(large.pop() as number);
    }
    // The remaining weights differ from 1 only by rounding.
    for (const i of [...small, ...large]) this.keep[i] = 1;
  }

  draw(random: Random): number {
    const at = random() * this.keep.length;
    const i = Math.floor(at);
    return at - i < this.share(i) ? i : (this.alias[i] as number);
  }

  private share(i: number): number {
    return this.keep[i] as number;
  }
}
