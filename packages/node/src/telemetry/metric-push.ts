import {
  type Clock,
  epochMs,
  later,
  METRIC_PREFIX,
  METRICS,
  type MetricSnapshot,
  type Timer,
  type WallMs,
} from '@fnfleet/core';
import { diag, type HrTime, ValueType } from '@opentelemetry/api';
import { type ExportResult, ExportResultCode, millisToHrTime } from '@opentelemetry/core';
import type { Resource } from '@opentelemetry/resources';
import {
  AggregationTemporality,
  DataPointType,
  type MetricData,
  type PushMetricExporter,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';

/** Sends the metrics of the process to a collector periodically. */
export class MetricPush {
  private timer: Timer;
  private sending: Promise<void> | undefined;

  constructor(
    private readonly read: () => ResourceMetrics,
    private readonly exporter: PushMetricExporter,
    private readonly everyMs: number,
    private readonly clock: Pick<Clock, 'after'>,
  ) {
    this.timer = this.later();
  }

  /** Sends the metrics one last time. Rejects when that fails. */
  async close(): Promise<void> {
    this.timer.cancel();
    await this.send();
    await this.exporter.shutdown();
  }

  private later(): Timer {
    return this.clock.after(this.everyMs, () => {
      this.timer = this.later();
      void this.send();
    });
  }

  /** Skips a round while a slow collector has not answered the previous one. */
  private send(): Promise<void> {
    this.sending ??= this.sendNow().finally(() => {
      this.sending = undefined;
    });
    return this.sending;
  }

  private async sendNow(): Promise<void> {
    const result = await new Promise<ExportResult>((resolve) => this.exporter.export(this.read(), resolve));
    if (result.code !== ExportResultCode.SUCCESS) diag.error(result.error?.message ?? 'the metrics were rejected');
  }
}

const SCOPE = { name: 'fnfleet' };

export interface Coverage {
  readonly since: WallMs;
  readonly now: WallMs;
}

/**
 * @returns the time span of a reading, which never ends before it began, even if the wall clock was set back meanwhile
 */
export function coverageFrom(clock: Pick<Clock, 'now' | 'wallNow'>): () => Coverage {
  const since = clock.wallNow();
  const begunAt = clock.now();
  return () => {
    const counted = later(since, clock.now() - begunAt);
    const wasSetBack = clock.wallNow() < counted;
    return { since, now: wasSetBack ? counted : clock.wallNow() };
  };
}

/**
 * Converts the metrics of the process to the form that OpenTelemetry exporters accept.
 * @param span when counting began, and when the metrics were read
 */
export function toResourceMetrics(
  metrics: readonly MetricSnapshot[],
  resource: Resource,
  span: Coverage,
): ResourceMetrics {
  const times = { startTime: millisToHrTime(epochMs(span.since)), endTime: millisToHrTime(epochMs(span.now)) };
  const data = metrics.filter(({ points }) => points.length > 0).map((metric) => toMetricData(metric, times));
  return { resource, scopeMetrics: [{ scope: SCOPE, metrics: data }] };
}

function toMetricData(metric: MetricSnapshot, times: { startTime: HrTime; endTime: HrTime }): MetricData {
  const { doc, unit } = METRICS[metric.name];
  const common = {
    descriptor: { name: METRIC_PREFIX + metric.name, description: doc, unit, valueType: ValueType.DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  };
  if (metric.kind !== 'histogram') {
    return {
      ...common,
      dataPointType: DataPointType.SUM,
      isMonotonic: metric.kind === 'counter',
      dataPoints: metric.points.map(({ labels, value }) => ({ ...times, attributes: labels, value })),
    };
  }
  const boundaries = [...metric.bounds];
  return {
    ...common,
    dataPointType: DataPointType.HISTOGRAM,
    dataPoints: metric.points.map(({ labels, buckets, sum, count }) => ({
      ...times,
      attributes: labels,
      value: { buckets: { boundaries, counts: [...buckets] }, sum, count },
    })),
  };
}
