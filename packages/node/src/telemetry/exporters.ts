import type { PushMetricExporter } from '@opentelemetry/sdk-metrics';
import { ConsoleSpanExporter, type SpanExporter } from '@opentelemetry/sdk-trace';
import type { TelemetrySettings } from './telemetry-settings.js';

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
export async function newSpanExporter(settings: TelemetrySettings): Promise<SpanExporter | undefined> {
  const { otelEndpoint, otelTracesEndpoint, otelDisabled, otelProtocol } = settings;
  const endpoint = otelTracesEndpoint ?? otelEndpoint;
  const kind = settings.otelTracesExporter ?? (endpoint === undefined ? 'none' : 'otlp');
  if (otelDisabled || kind === 'none') return undefined;
  return kind === 'console' ? new ConsoleSpanExporter() : SPANS[otelProtocol]();
}

/** Creates the exporter of metrics; undefined: metrics are not exported. */
export async function newMetricExporter(settings: TelemetrySettings): Promise<PushMetricExporter | undefined> {
  const { otelEndpoint, otelMetricsEndpoint, otelDisabled, otelProtocol } = settings;
  const endpoint = otelMetricsEndpoint ?? otelEndpoint;
  const kind = settings.otelMetricsExporter ?? (endpoint === undefined ? 'none' : 'otlp');
  return otelDisabled || kind !== 'otlp' ? undefined : METRICS[otelProtocol]();
}
