import { type Labels, readMetrics, systemClock, type TraceEntry } from '@fnfleet/core';
import { trace } from '@opentelemetry/api';
import { defaultResource, type Resource, resourceFromAttributes } from '@opentelemetry/resources';
import type { PushMetricExporter } from '@opentelemetry/sdk-metrics';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ConsoleSpanExporter,
  ParentBasedSampler,
  type Sampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { MetricPush } from './metric-push.js';
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
  const { coverageFrom, MetricPush, toResourceMetrics } = await import('./metric-push.js');
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

type Protocol = TelemetrySettings['otelProtocol'];

/** Exporters are loaded on demand: their libraries take longer to load than all the rest of a role. */
const SPANS: Readonly<Record<Protocol, () => Promise<SpanExporter>>> = {
  'http/protobuf': async () => new (await import('@opentelemetry/exporter-trace-otlp-proto')).OTLPTraceExporter(),
  'http/json': async () => new (await import('@opentelemetry/exporter-trace-otlp-http')).OTLPTraceExporter(),
  grpc: async () => new (await import('@opentelemetry/exporter-trace-otlp-grpc')).OTLPTraceExporter(),
};
const METRICS: Readonly<Record<Protocol, () => Promise<PushMetricExporter>>> = {
  'http/protobuf': async () => new (await import('@opentelemetry/exporter-metrics-otlp-proto')).OTLPMetricExporter(),
  'http/json': async () => new (await import('@opentelemetry/exporter-metrics-otlp-http')).OTLPMetricExporter(),
  grpc: async () => new (await import('@opentelemetry/exporter-metrics-otlp-grpc')).OTLPMetricExporter(),
};

/**
 * Creates the exporter of traces, which reads the other standard variables itself; undefined: traces are not exported.
 */
async function newSpanExporter(settings: TelemetrySettings): Promise<SpanExporter | undefined> {
  const { otelEndpoint, otelTracesEndpoint, otelDisabled, otelProtocol } = settings;
  const endpoint = otelTracesEndpoint ?? otelEndpoint;
  const kind = settings.otelTracesExporter ?? (endpoint === undefined ? 'none' : 'otlp');
  if (otelDisabled || kind === 'none') return undefined;
  return kind === 'console' ? new ConsoleSpanExporter() : SPANS[otelProtocol]();
}

/** Creates the exporter of metrics; undefined: metrics are not exported. */
async function newMetricExporter(settings: TelemetrySettings): Promise<PushMetricExporter | undefined> {
  const { otelEndpoint, otelMetricsEndpoint, otelDisabled, otelProtocol } = settings;
  const endpoint = otelMetricsEndpoint ?? otelEndpoint;
  const kind = settings.otelMetricsExporter ?? (endpoint === undefined ? 'none' : 'otlp');
  return otelDisabled || kind !== 'otlp' ? undefined : METRICS[otelProtocol]();
}

interface Sampling {
  /** Decides for requests without a trace context. */
  readonly begins: TraceEntry['begins'];
  /** Decides for requests with a trace context. */
  readonly sampler: Sampler;
}

/** Follows the sampling decision of an incoming trace, and records every trace that begins here. */
const asParent = () => new ParentBasedSampler({ root: new AlwaysOnSampler() });

/**
 * Creates the sampler that `OTEL_TRACES_SAMPLER` names.
 * @param random uniform, 0 to below 1
 */
export function newSampling({ otelSampler, otelSamplerArg }: TelemetrySettings, random = Math.random): Sampling {
  switch (otelSampler) {
    case 'always_on':
      return { begins: () => true, sampler: new AlwaysOnSampler() };
    case 'always_off':
      return { begins: () => false, sampler: new AlwaysOffSampler() };
    case 'traceidratio':
      return { begins: () => true, sampler: new TraceIdRatioBasedSampler(otelSamplerArg) };
    case 'parentbased_always_on':
      return { begins: () => true, sampler: asParent() };
    case 'parentbased_always_off':
      return { begins: () => false, sampler: asParent() };
    case 'parentbased_traceidratio':
      return { begins: (isExplained) => isExplained || random() < otelSamplerArg, sampler: asParent() };
  }
}
