import { FakeClock } from '@fnfleet/core';
import { diag } from '@opentelemetry/api';
import { ExportResultCode } from '@opentelemetry/core';
import type { PushMetricExporter, ResourceMetrics } from '@opentelemetry/sdk-metrics';
import { MetricPush } from './metric-push.js';

const METRICS = { scopeMetrics: [] } as unknown as ResourceMetrics;

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
  return { clock, seen, push: new MetricPush(() => METRICS, exporter, 1000, clock) };
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
