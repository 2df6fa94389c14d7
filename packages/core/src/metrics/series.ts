/** Labels come from looked-up data, never from what a client sent. */
export type Labels = Readonly<Record<string, string | number | boolean>>;

/**
 * How many label sets a metric keeps apart. Labels include functions, whose number we do not control, so everything beyond
 * this goes to one overflow series.
 */
const MAX_LABEL_SETS = 2_000;
/** OpenTelemetry's name for the overflow series. */
const OVERFLOW: Labels = { otel_metric_overflow: 'true' };

const NO_LABELS: Labels = {};

/** The series of one metric, by their labels. */
export class SeriesSet<S> {
  private bare: S | undefined;
  private readonly labelled = new Map<string, S>();
  /** Keyed by the label object itself if it is frozen, which saves building a key for each event. */
  private readonly byIdentity = new WeakMap<Labels, S>();

  constructor(private readonly create: (labels: Labels) => S) {}

  at(labels: Labels | undefined): S {
    if (labels !== undefined) return Object.isFrozen(labels) ? this.withFrozen(labels) : this.withLabels(labels);
    this.bare ??= this.create(NO_LABELS);
    return this.bare;
  }

  all(): S[] {
    return [...(this.bare === undefined ? [] : [this.bare]), ...this.labelled.values()];
  }

  private withFrozen(labels: Labels): S {
    const known = this.byIdentity.get(labels);
    if (known !== undefined) return known;
    const series = this.withLabels(labels);
    this.byIdentity.set(labels, series);
    return series;
  }

  private withLabels(labels: Labels): S {
    const key = keyOf(labels);
    const found = this.labelled.get(key);
    if (found !== undefined) return found;
    if (this.labelled.size >= MAX_LABEL_SETS && labels !== OVERFLOW) return this.withLabels(OVERFLOW);
    const created = this.create({ ...labels });
    this.labelled.set(key, created);
    return created;
  }
}

/** Each place that counts lists its labels in one order. A different order would be another series. */
function keyOf(labels: Labels): string {
  let key = '';
  for (const name in labels) key += `${name}\u0000${labels[name]}\u0000`;
  return key;
}

export class NumberSeries {
  value = 0;

  constructor(readonly labels: Labels) {}
}

export class HistogramSeries {
  readonly buckets: Float64Array;
  sum = 0;
  count = 0;

  /** @param bounds ascending; each is the largest value of its bucket */
  constructor(
    readonly labels: Labels,
    private readonly bounds: readonly number[],
  ) {
    this.buckets = new Float64Array(bounds.length + 1);
  }

  record(value: number): void {
    const { bounds, buckets } = this;
    let at = 0;
    while (at < bounds.length && value > (bounds[at] ?? 0)) at += 1;
    buckets[at] = (buckets[at] ?? 0) + 1;
    this.sum += value;
    this.count += 1;
  }
}
