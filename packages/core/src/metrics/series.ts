/** Labels come from what was looked up, never from what a client sent. */
export type Labels = Readonly<Record<string, string | number | boolean>>;

/**
 * Label sets one metric keeps apart. The functions of a fleet are among the labels, so the number is not ours to choose;
 * beyond it everything goes to one series that says so.
 */
const MAX_LABEL_SETS = 2_000;
/** The name OpenTelemetry gives to the series of what was too much. */
const OVERFLOW: Labels = { otel_metric_overflow: 'true' };

const NO_LABELS: Labels = {};

/** The series of one metric, by their labels. */
export class SeriesSet<S> {
  private bare: S | undefined;
  private readonly labelled = new Map<string, S>();
  /** By the very object, for labels that cannot change: those of what lives long need no key for each event. */
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

/** Each place that counts names its labels in one order. Two that differ in that would be two series. */
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

  /** @param bounds ascending, each the largest value of its bucket */
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
