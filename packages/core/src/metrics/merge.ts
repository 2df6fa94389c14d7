import { METRICS } from './declarations.js';
import type { HistogramPoint, MetricSnapshot, NumberPoint } from './registry.js';
import type { Labels } from './series.js';

/** Combines the metrics of several processes. Gauges that every process sees alike are not added up. */
export function mergeMetrics(processes: readonly (readonly MetricSnapshot[])[]): MetricSnapshot[] {
  const byName = Map.groupBy(processes.flat(), ({ name }) => name);
  return [...byName.values()].map((snapshots) => {
    const [first] = snapshots as [MetricSnapshot];
    if (first.kind === 'histogram') {
      const points = snapshots.flatMap((snapshot) => snapshot.points as readonly HistogramPoint[]);
      return { ...first, points: grouped(points).map(addHistograms) };
    }
    const points = snapshots.flatMap((snapshot) => snapshot.points as readonly NumberPoint[]);
    const combine = combinationOf(first.name);
    return {
      ...first,
      points: grouped(points).map((same) => ({
        labels: labelsOf(same),
        value: combine(same.map(({ value }) => value)),
      })),
    };
  });
}

/** Counters and histograms only, which stay valid after a process has ended. */
export function totalsOnly(metrics: readonly MetricSnapshot[]): MetricSnapshot[] {
  return metrics.filter(({ kind }) => kind !== 'gauge');
}

function combinationOf(name: MetricSnapshot['name']): (values: readonly number[]) => number {
  const declared = METRICS[name];
  switch ('across' in declared ? declared.across : 'sum') {
    case 'max':
      return (values) => Math.max(...values);
    case 'min':
      return (values) => Math.min(...values);
    default:
      return (values) => values.reduce((total, value) => total + value, 0);
  }
}

function grouped<P extends { readonly labels: Labels }>(points: readonly P[]): P[][] {
  return [...Map.groupBy(points, ({ labels }) => JSON.stringify(labels)).values()];
}

function labelsOf(points: readonly { readonly labels: Labels }[]): Labels {
  return points[0]?.labels ?? {};
}

function addHistograms(points: readonly HistogramPoint[]): HistogramPoint {
  const [first] = points as [HistogramPoint];
  return {
    labels: first.labels,
    buckets: first.buckets.map((_, at) => points.reduce((total, { buckets }) => total + (buckets[at] ?? 0), 0)),
    sum: points.reduce((total, { sum }) => total + sum, 0),
    count: points.reduce((total, { count }) => total + count, 0),
  };
}
