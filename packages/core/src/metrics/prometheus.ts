import { METRIC_PREFIX, METRICS } from './declarations.js';
import type { HistogramPoint, MetricSnapshot } from './registry.js';
import type { Labels } from './series.js';

export const PROMETHEUS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * Renders metrics in the text format of Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats).
 * @param target labels of the series `target_info`, which describe the process
 */
export function renderPrometheus(metrics: readonly MetricSnapshot[], target: Labels): string {
  const lines = ['# HELP target_info Target metadata', '# TYPE target_info gauge', `target_info${braced(target)} 1`];
  for (const metric of metrics) renderMetric(metric, lines);
  return `${lines.join('\n')}\n`;
}

function renderMetric(metric: MetricSnapshot, lines: string[]): void {
  if (metric.points.length === 0) return;
  const { kind, doc, unit } = METRICS[metric.name];
  const name = prometheusName(METRIC_PREFIX + metric.name, kind);
  lines.push(`# HELP ${name} ${doc.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`);
  if (unit !== '') lines.push(`# UNIT ${name} ${unit}`);
  lines.push(`# TYPE ${name} ${kind}`);
  if (metric.kind === 'histogram') {
    for (const point of metric.points) renderBuckets(name, point, metric.bounds, lines);
  } else {
    for (const { labels, value } of metric.points) lines.push(`${name}${braced(labels)} ${number(value)}`);
  }
}

function renderBuckets(name: string, point: HistogramPoint, bounds: readonly number[], lines: string[]): void {
  const labels = braced(point.labels);
  lines.push(`${name}_count${labels} ${point.count}`, `${name}_sum${labels} ${number(point.sum)}`);
  let upTo = 0;
  for (const [at, inBucket] of point.buckets.entries()) {
    upTo += inBucket;
    const bound = bounds[at];
    const le = bound === undefined ? '+Inf' : String(bound);
    lines.push(`${name}_bucket${braced({ ...point.labels, le })} ${upTo}`);
  }
}

/** Counters end in `_total`; characters that are not allowed become `_`. */
function prometheusName(name: string, kind: string): string {
  const plain = name.replace(/[^a-zA-Z0-9_:]/g, '_');
  return kind === 'counter' && !plain.endsWith('_total') ? `${plain}_total` : plain;
}

function braced(labels: Labels): string {
  const pairs = Object.entries(labels).map(
    ([name, value]) => `${name.replace(/\W/g, '_')}="${escaped(String(value))}"`,
  );
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}

function number(value: number): string {
  if (Number.isFinite(value)) return String(value);
  if (Number.isNaN(value)) return 'NaN';
  return value > 0 ? '+Inf' : '-Inf';
}
