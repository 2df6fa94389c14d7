import { METRICS, type MetricName, type NamesOf } from './declarations.js';
import { HistogramSeries, type Labels, NumberSeries, SeriesSet } from './series.js';

/**
 * The metrics of this process. On the call path a count is an addition to a number, and an observation is an addition to an
 * array of buckets. Nothing is aggregated, named or rendered until somebody reads it (`readMetrics`, which `/metrics` and
 * exporters use).
 */

/** Adds to a counter, or moves a gauge up or down. */
export function count(name: NamesOf<'counter' | 'gauge'>, value = 1, labels?: Labels): void {
  numbers(name).at(labels).value += value;
  if (tap !== undefined && value !== 0) tap(name, value, labels);
}

/**
 * Exports a counter or gauge before its first event, because Prometheus sees no increase in a series that appears with its
 * first event. @param labelled one series per label set; without any, the series without labels
 */
export function countFromZero(name: NamesOf<'counter' | 'gauge'>, ...labelled: readonly Labels[]): void {
  if (labelled.length === 0) count(name, 0);
  for (const labels of labelled) count(name, 0, labels);
}

/** The same for the metrics of how calls end. */
export function countCallsFromZero(): void {
  for (const name of CALL_METRICS) countFromZero(name);
}

const CALL_METRICS = [
  'calls',
  'queued',
  'running',
  'completed',
  'canceled',
  'timeouts',
  'errors',
  'server_busy',
] as const satisfies MetricName[];

/** Records one observation, in the unit of the declaration. */
export function observe(name: NamesOf<'histogram'>, value: number, labels?: Labels): void {
  histograms(name).at(labels).record(value);
  tap?.(name, value, labels);
}

/** One value of a metric that is read on export, with its labels. */
export interface Reading {
  readonly value: number;
  readonly attributes?: Labels;
}

/**
 * Reads a metric on every export, for values that change without an event to count. Such a metric must not be counted as
 * well.
 * @param read must be fast and never throw; a label set that it has returned once must be returned every time
 * @returns an idempotent function that stops it
 */
export function readWhenExported(name: NamesOf<'counter' | 'gauge'>, read: () => readonly Reading[]): () => void {
  const metric = numbers(name);
  metric.readers.add(read);
  return () => void metric.readers.delete(read);
}

/** The current state of one metric: a number, or buckets, per label set. */
export type MetricSnapshot =
  | { readonly kind: 'counter' | 'gauge'; readonly name: MetricName; readonly points: readonly NumberPoint[] }
  | {
      readonly kind: 'histogram';
      readonly name: MetricName;
      /** Ascending; each is the largest value of its bucket. */
      readonly bounds: readonly number[];
      readonly points: readonly HistogramPoint[];
    };

export interface NumberPoint {
  readonly labels: Labels;
  readonly value: number;
}

export interface HistogramPoint {
  readonly labels: Labels;
  /** Observations per bucket, not cumulative; the last bucket is for values above every bound. */
  readonly buckets: readonly number[];
  readonly sum: number;
  readonly count: number;
}

/** All metrics in the order of their first use. */
export function readMetrics(): MetricSnapshot[] {
  return [...registered.values()].map((metric) => metric.read());
}

/** Only the metrics that are read on export. */
export function readLevels(): { name: MetricName; labels: Labels; value: number }[] {
  return [...registered.values()].flatMap((metric) =>
    metric instanceof NumberMetric ? metric.levels().map((point) => ({ name: metric.name, ...point })) : [],
  );
}

/** Receives each counted event as it happens. For tests. */
export type MetricTap = (name: MetricName, value: number, labels: Labels | undefined) => void;

let tap: MetricTap | undefined;

/** One per process; undefined removes it. */
export function tapMetrics(installed: MetricTap | undefined): void {
  tap = installed;
}

class NumberMetric extends SeriesSet<NumberSeries> {
  readonly readers = new Set<() => readonly Reading[]>();

  constructor(readonly name: NamesOf<'counter' | 'gauge'>) {
    super((labels) => new NumberSeries(labels));
  }

  read(): MetricSnapshot {
    const counted = this.all().map(({ labels, value }) => ({ labels, value }));
    return { kind: METRICS[this.name].kind, name: this.name, points: [...counted, ...this.levels()] };
  }

  levels(): NumberPoint[] {
    return [...this.readers].flatMap((read) =>
      read().map(({ value, attributes = {} }) => ({ labels: attributes, value })),
    );
  }
}

class HistogramMetric extends SeriesSet<HistogramSeries> {
  constructor(private readonly name: NamesOf<'histogram'>) {
    const { bounds } = METRICS[name];
    super((labels) => new HistogramSeries(labels, bounds));
  }

  read(): MetricSnapshot {
    const points = this.all().map(({ labels, buckets, sum, count }) => ({ labels, buckets: [...buckets], sum, count }));
    return { kind: 'histogram', name: this.name, bounds: METRICS[this.name].bounds, points };
  }
}

const registered = new Map<MetricName, NumberMetric | HistogramMetric>();

function numbers(name: NamesOf<'counter' | 'gauge'>): NumberMetric {
  const found = registered.get(name) ?? register(name, new NumberMetric(name));
  return found as NumberMetric;
}

function histograms(name: NamesOf<'histogram'>): HistogramMetric {
  const found = registered.get(name) ?? register(name, new HistogramMetric(name));
  return found as HistogramMetric;
}

function register<M extends NumberMetric | HistogramMetric>(name: MetricName, metric: M): M {
  registered.set(name, metric);
  return metric;
}
