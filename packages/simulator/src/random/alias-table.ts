import type { Random } from './sfc32.js';

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
