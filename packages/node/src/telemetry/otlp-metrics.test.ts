import { FakeClock, METRICS, type MetricSnapshot, wallMs } from '@fnfleet/core';
import { JsonMetricsSerializer } from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { coverageFrom, toResourceMetrics } from './otlp-metrics.js';

it('counters, gauges and histograms reach a collector in OTLP form', () => {
  const metrics: MetricSnapshot[] = [
    { kind: 'counter', name: 'calls', points: [{ labels: {}, value: 3 }] },
    { kind: 'gauge', name: 'util_mem_used', points: [{ labels: { zone: 'a' }, value: 5 }] },
    {
      kind: 'histogram',
      name: 'lb_call_latency',
      bounds: [1, 10],
      points: [{ labels: { call_status: 'completed' }, buckets: [1, 2, 0], sum: 12, count: 3 }],
    },
    { kind: 'counter', name: 'errors', points: [] },
  ];
  const resource = resourceFromAttributes({ 'service.name': 'test' });
  const bytes = JsonMetricsSerializer.serializeRequest(
    toResourceMetrics(metrics, resource, { since: wallMs(1000), now: wallMs(2000) }),
  );
  const { resourceMetrics } = JSON.parse(Buffer.from(bytes ?? []).toString());
  const sent = resourceMetrics[0].scopeMetrics[0].metrics;
  const times = { startTimeUnixNano: '1000000000', timeUnixNano: '2000000000' };
  expect(sent).toMatchObject([
    {
      name: 'fn_calls',
      description: METRICS.calls.doc,
      sum: { isMonotonic: true, dataPoints: [{ ...times, asDouble: 3 }] },
    },
    { name: 'fn_util_mem_used', unit: 'By', sum: { isMonotonic: false, dataPoints: [{ asDouble: 5 }] } },
    {
      name: 'fn_lb_call_latency',
      histogram: { dataPoints: [{ ...times, bucketCounts: [1, 2, 0], explicitBounds: [1, 10], sum: 12, count: 3 }] },
    },
  ]);
});

it('no data point ends before it starts, even if the wall clock was set back', async () => {
  const clock = new FakeClock(1_000_000);
  const coverage = coverageFrom(clock);
  await clock.advance(5_000);
  expect(coverage()).toEqual({ since: 1_000_000, now: 1_005_000 });
  clock.stepWall(-60_000);
  await clock.advance(1_000);
  expect(coverage()).toEqual({ since: 1_000_000, now: 1_006_000 });
  clock.stepWall(3_600_000);
  expect(coverage()).toEqual({ since: 1_000_000, now: 1_006_000 - 60_000 + 3_600_000 });
});
