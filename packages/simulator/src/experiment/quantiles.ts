/** Exact quantiles: keeps and sorts all values, 8 bytes each. */
export class Sample {
  private readonly values: Float64Array;
  private count = 0;
  private sorted = false;

  constructor(capacity: number) {
    this.values = new Float64Array(capacity);
  }

  add(value: number): void {
    this.values[this.count++] = value;
    this.sorted = false;
  }

  /** The smallest value that at least this share of all values do not exceed. 0 if there are none. */
  quantile(share: number): number {
    const all = this.values.subarray(0, this.count);
    if (!this.sorted) all.sort();
    this.sorted = true;
    return all[Math.max(0, Math.ceil(share * this.count) - 1)] ?? 0;
  }

  /** p50, p99 and p99.9. */
  tail(): Tail {
    return { p50: this.quantile(0.5), p99: this.quantile(0.99), p999: this.quantile(0.999) };
  }
}

export interface Tail {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}
