import type { IncomingMessage, ServerResponse } from 'node:http';
import os from 'node:os';
import { installTraceEntry, type Logger, systemClock, VERSION } from '@fnfleet/core';
import { context, diag, metrics, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import {
  defaultResource,
  detectResources,
  envDetector,
  type Resource,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { BatchSpanProcessor, type Sampler, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace';
import { ExportTroubles } from './export-troubles.js';
import { newMetricExporter, newSpanExporter } from './exporters.js';
import { MetricPush } from './metric-push.js';
import { newPropagator } from './propagation.js';
import { newSampling } from './sampling.js';
import type { TelemetrySettings } from './telemetry-settings.js';

/** How long the last traces and metrics of a process may take to the collector, milliseconds. */
const FLUSH_MS = 2_000;

export interface Telemetry {
  /** Answers `GET /metrics`. */
  readonly metrics: (req: IncomingMessage, res: ServerResponse) => void;
  /**
   * Sends what there still is. Never rejects, and does not wait for a collector that is away.
   * @returns false when it gave up waiting: what tries on keeps the process alive
   */
  close(): Promise<boolean>;
}

/**
 * Measures and traces for a whole process. The packages only use the OpenTelemetry API; the SDK is wired here, for roles.
 * @param role names the service, unless the settings do
 */
export async function startTelemetry(role: string, settings: TelemetrySettings, logger: Logger): Promise<Telemetry> {
  for (const name of legacyNames(settings)) {
    logger.warn(`${name} has no effect: spans go to a collector by OTLP (OTEL_EXPORTER_OTLP_ENDPOINT)`);
  }
  new ExportTroubles(logger, systemClock).install();
  const resource = resourceOf(role, settings);
  const prometheus = new PrometheusExporter({ preventServerStart: true });
  const metricExporter = await newMetricExporter(settings);
  const meters = new MeterProvider({ resource, readers: [prometheus] });
  const push = metricExporter && new MetricPush(prometheus, metricExporter, settings.otelMetricIntervalMs, systemClock);
  metrics.setGlobalMeterProvider(meters);

  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const propagator = newPropagator(settings.otelPropagators);
  propagation.setGlobalPropagator(propagator);
  const spanExporter = await newSpanExporter(settings);
  const { sampler, begins } = newSampling(settings);
  const tracers = spanExporter && newTracers(spanExporter, { resource, sampler, settings });
  if (tracers) trace.setGlobalTracerProvider(tracers);
  // A trace that comes in is passed on, though nobody records here.
  const headers = propagator.fields().map((name) => name.toLowerCase());
  const takeBack = installTraceEntry({ headers, begins: tracers ? begins : () => false });

  return {
    metrics: (req, res) => prometheus.getMetricsRequestHandler(req, res),
    async close() {
      const done = await within(FLUSH_MS, Promise.allSettled([tracers?.shutdown(), push?.close()]));
      takeBack();
      await meters.shutdown().catch(() => undefined);
      for (const api of [metrics, trace, context, propagation, diag]) api.disable();
      return done;
    },
  };
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

function resourceOf(role: string, { otelServiceName }: TelemetrySettings): Resource {
  return defaultResource()
    .merge(
      resourceFromAttributes({
        'service.name': `fnfleet-${role}`,
        'service.version': VERSION,
        'service.instance.id': `${os.hostname()}-${process.pid}`,
        'host.name': os.hostname(),
      }),
    )
    .merge(detectResources({ detectors: [envDetector] }))
    .merge(resourceFromAttributes(otelServiceName === undefined ? {} : { 'service.name': otelServiceName }));
}

function legacyNames({ zipkinUrl, jaegerUrl }: TelemetrySettings): string[] {
  return [...(zipkinUrl ? ['FN_ZIPKIN_URL'] : []), ...(jaegerUrl ? ['FN_JAEGER_URL'] : [])];
}

/** False: it took longer. */
async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  const over = new AbortController();
  const done = await Promise.race([work.then(() => true), systemClock.sleep(ms, over.signal).then(() => false)]);
  over.abort();
  return done;
}
