import { type Labels, readMetrics, systemClock, type TraceEntry } from '@fnfleet/core';
import { trace } from '@opentelemetry/api';
import { defaultResource, type Resource, resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, type Sampler, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace';
import { newMetricExporter, newSpanExporter } from './exporters.js';
import { MetricPush } from './metric-push.js';
import { newSampling } from './sampling.js';
import type { TelemetrySettings } from './telemetry-settings.js';

interface Exports {
  /** Whether a request without a trace context starts a trace. */
  readonly begins: TraceEntry['begins'];
  /** Sends what is still queued. Never rejects; may take as long as the collector does. */
  close(): Promise<void>;
}

/** Exports traces and metrics to a collector with the OpenTelemetry SDK. */
export async function startExports(target: Labels, settings: TelemetrySettings): Promise<Exports> {
  const resource = defaultResource().merge(resourceFromAttributes({ ...target }));
  const metricExporter = await newMetricExporter(settings);
  const push = metricExporter && (await newPush(resource, metricExporter, settings));
  const spanExporter = await newSpanExporter(settings);
  const { sampler, begins } = newSampling(settings);
  const tracers = spanExporter && newTracers(spanExporter, { resource, sampler, settings });
  if (tracers) trace.setGlobalTracerProvider(tracers);
  return {
    begins: tracers ? begins : () => false,
    async close() {
      await Promise.allSettled([tracers?.shutdown(), push?.close()]);
    },
  };
}

async function newPush(
  resource: Resource,
  exporter: NonNullable<Awaited<ReturnType<typeof newMetricExporter>>>,
  { otelMetricIntervalMs }: TelemetrySettings,
): Promise<MetricPush> {
  const { coverageFrom, toResourceMetrics } = await import('./otlp-metrics.js');
  const coverage = coverageFrom(systemClock);
  const read = () => toResourceMetrics(readMetrics(), resource, coverage());
  return new MetricPush(read, exporter, otelMetricIntervalMs, systemClock);
}

interface TracerParts {
  readonly resource: Resource;
  readonly sampler: Sampler;
  readonly settings: TelemetrySettings;
}

function newTracers(exporter: SpanExporter, { resource, sampler, settings }: TracerParts): TracerProvider {
  return new TracerProvider({
    resource,
    sampler,
    spanProcessors: [
      new BatchSpanProcessor({
        exporter,
        scheduledDelayMillis: settings.otelBatchDelayMs,
        maxQueueSize: settings.otelBatchQueue,
        maxExportBatchSize: Math.min(settings.otelBatchSize, settings.otelBatchQueue),
      }),
    ],
  });
}
