import { FakeClock, METRICS, type MetricSnapshot, wallMs } from '@fnfleet/core';
import { diag } from '@opentelemetry/api';
import { ExportResultCode } from '@opentelemetry/core';
import { JsonMetricsSerializer } from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';
import type { PushMetricExporter, ResourceMetrics } from '@opentelemetry/sdk-metrics';
import { coverageFrom, MetricPush, toResourceMetrics } from './metric-push.js';

const NO_METRICS = { scopeMetrics: [] } as unknown as ResourceMetrics;

function pushing(answer: 'taken' | 'refused' | 'none' = 'taken') {
  const clock = new FakeClock();
  const seen = { sent: 0, shutDown: false };
  const exporter: PushMetricExporter = {
    export(_metrics, done) {
      seen.sent += 1;
      if (answer === 'taken') done({ code: ExportResultCode.SUCCESS });
      else if (answer === 'refused') done({ code: ExportResultCode.FAILED, error: new Error('503') });
    },
    forceFlush: async () => undefined,
    async shutdown() {
      seen.shutDown = true;
    },
  };
  return { clock, seen, push: new MetricPush(() => NO_METRICS, exporter, 1000, clock) };
}

it('sends periodically, and once more at the end', async () => {
  const { clock, seen, push } = pushing();
  await clock.advance(3500);
  expect(seen.sent).toBe(3);
  await push.close();
  expect([seen, clock.pendingTimers]).toEqual([{ sent: 4, shutDown: true }, 0]);
});

it('sends nothing while the collector has not answered the previous request', async () => {
  const { clock, seen } = pushing('none');
  await clock.advance(5000);
  expect(seen.sent).toBe(1);
});

it('reports the error of a collector', async () => {
  const said: string[] = [];
  const quiet = () => undefined;
  diag.setLogger({ error: (text) => said.push(text), warn: quiet, info: quiet, debug: quiet, verbose: quiet });
  const { clock } = pushing('refused');
  await clock.advance(1000);
  diag.disable();
  expect(said).toEqual(['503']);
});

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
