import { choice, durationMs, flag, integer, type SettingsOf, structured, text } from '@fnfleet/core';

export const OTLP_PROTOCOLS = ['http/protobuf', 'http/json', 'grpc'] as const;
export const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;
const PROPAGATORS = ['tracecontext', 'baggage', 'b3', 'b3multi', 'none'] as const;
export type Propagator = (typeof PROPAGATORS)[number];

/**
 * The standard variables of OpenTelemetry that are interpreted here. The others for exporters
 * (`OTEL_EXPORTER_OTLP_HEADERS`, `…_CERTIFICATE`, `…_TIMEOUT`, `…_COMPRESSION`) are read by the SDK itself.
 */
export const telemetrySettings = {
  otelDisabled: flag('OTEL_SDK_DISABLED', { default: false, doc: 'Turns exports and new traces off.' }),
  otelEndpoint: text('OTEL_EXPORTER_OTLP_ENDPOINT', {
    doc: 'Collector that receives traces and metrics, such as `http://collector:4318`. See also `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` and `…_METRICS_ENDPOINT`. Unset: nothing is exported.',
  }),
  otelTracesEndpoint: text('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', {
    doc: 'URL for traces, with the full path. Overrides the general endpoint.',
  }),
  otelMetricsEndpoint: text('OTEL_EXPORTER_OTLP_METRICS_ENDPOINT', {
    doc: 'URL for metrics, with the full path. Overrides the general endpoint.',
  }),
  otelProtocol: choice('OTEL_EXPORTER_OTLP_PROTOCOL', OTLP_PROTOCOLS, {
    default: 'http/protobuf',
    doc: 'Protocol for the collector.',
  }),
  otelTracesExporter: choice('OTEL_TRACES_EXPORTER', ['otlp', 'console', 'none'], {
    defaultText: '`otlp` if an endpoint is set',
    doc: 'Destination of traces.',
  }),
  otelMetricsExporter: choice('OTEL_METRICS_EXPORTER', ['otlp', 'prometheus', 'none'], {
    defaultText: '`otlp` if an endpoint is set',
    doc: 'Destination of metrics in addition to `/metrics`, which always serves them.',
  }),
  otelSampler: choice('OTEL_TRACES_SAMPLER', SAMPLERS, {
    default: 'parentbased_traceidratio',
    doc: 'Sampler that decides which traces are recorded. A call with `Fn-Explain: 1` and without a trace context is always recorded.',
  }),
  otelSamplerArg: structured('OTEL_TRACES_SAMPLER_ARG', 'a number from 0 to 1', parseShare, {
    default: 0.01,
    doc: 'Share of traces that the ratio samplers record.',
  }),
  otelPropagators: structured('OTEL_PROPAGATORS', 'a list separated by commas', parsePropagators, {
    default: ['tracecontext', 'b3multi'] as readonly Propagator[],
    defaultText: 'tracecontext,b3multi',
    doc: `Formats of trace headers that are read and written: ${PROPAGATORS.join(', ')}. If a request has several, the first in this list is used.`,
  }),
  otelServiceName: text('OTEL_SERVICE_NAME', {
    defaultText: '`fnfleet-` followed by the role',
    doc: 'Service name in traces and metrics.',
  }),
  otelResource: structured('OTEL_RESOURCE_ATTRIBUTES', 'key=value pairs separated by commas', parseResource, {
    default: {} as Readonly<Record<string, string>>,
    defaultText: 'none',
    doc: 'Additional attributes of the process in traces and metrics. Values are percent-encoded.',
  }),
  otelMetricIntervalMs: durationMs('OTEL_METRIC_EXPORT_INTERVAL', {
    default: 60_000,
    doc: 'Interval at which metrics are sent to the collector.',
  }),
  otelBatchDelayMs: durationMs('OTEL_BSP_SCHEDULE_DELAY', {
    default: 5_000,
    doc: 'Maximum time that a span waits to be sent in a batch.',
  }),
  otelBatchQueue: integer('OTEL_BSP_MAX_QUEUE_SIZE', {
    default: 2_048,
    min: 1,
    doc: 'Maximum number of queued spans; further ones are dropped.',
  }),
  otelBatchSize: integer('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', {
    default: 512,
    min: 1,
    doc: 'Maximum number of spans in a batch.',
  }),
  zipkinUrl: text('FN_ZIPKIN_URL', {
    doc: 'A setting of Fn that only logs a warning here: send spans to a collector with OTLP, which can forward them to Zipkin.',
  }),
  jaegerUrl: text('FN_JAEGER_URL', {
    doc: 'A setting of Fn that only logs a warning here: Jaeger accepts OTLP directly.',
  }),
} as const;

export type TelemetrySettings = SettingsOf<typeof telemetrySettings>;

function parseShare(given: string): number {
  const share = Number(given);
  if (given.trim() === '' || !(share >= 0 && share <= 1)) throw new Error(`${given} is not one`);
  return share;
}

function parsePropagators(given: string): readonly Propagator[] {
  return given.split(',').map((item) => {
    const found = PROPAGATORS.find((known) => known === item.trim());
    if (found === undefined) throw new Error(`${item.trim()} is not among ${PROPAGATORS.join(', ')}`);
    return found;
  });
}

function parseResource(given: string): Readonly<Record<string, string>> {
  const pairs = given.split(',').filter((pair) => pair.trim() !== '');
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1) throw new Error(`${pair.trim()} is not key=value`);
      return [pair.slice(0, at).trim(), decodeURIComponent(pair.slice(at + 1).trim())];
    }),
  );
}
