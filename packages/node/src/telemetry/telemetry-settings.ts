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
 * The standard variables of OpenTelemetry, as far as their meaning here needs words. The others for exporters
 * (`OTEL_EXPORTER_OTLP_HEADERS`, `…_CERTIFICATE`, `…_TIMEOUT`, `…_COMPRESSION`) are read by the SDK itself.
 */
export const telemetrySettings = {
  otelDisabled: flag('OTEL_SDK_DISABLED', { default: false, doc: 'Nothing is exported, and no trace is begun.' }),
  otelEndpoint: text('OTEL_EXPORTER_OTLP_ENDPOINT', {
    doc: 'Collector that traces and metrics go to, `http://collector:4318`. Also `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` and `…_METRICS_ENDPOINT`. Unset: nothing is exported.',
  }),
  otelTracesEndpoint: text('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', { doc: 'For traces only, with its whole path.' }),
  otelMetricsEndpoint: text('OTEL_EXPORTER_OTLP_METRICS_ENDPOINT', { doc: 'For metrics only, with its whole path.' }),
  otelProtocol: choice('OTEL_EXPORTER_OTLP_PROTOCOL', OTLP_PROTOCOLS, {
    default: 'http/protobuf',
    doc: 'How to speak to the collector.',
  }),
  otelTracesExporter: choice('OTEL_TRACES_EXPORTER', ['otlp', 'console', 'none'], {
    defaultText: '`otlp` where there is an endpoint',
    doc: 'Where traces go.',
  }),
  otelMetricsExporter: choice('OTEL_METRICS_EXPORTER', ['otlp', 'prometheus', 'none'], {
    defaultText: '`otlp` where there is an endpoint',
    doc: 'Where metrics go, beside `/metrics`, which always has them.',
  }),
  otelSampler: choice('OTEL_TRACES_SAMPLER', SAMPLERS, {
    default: 'parentbased_traceidratio',
    doc: 'Which traces are recorded. A call with `Fn-Explain: 1` that belongs to no trace yet always is.',
  }),
  otelSamplerArg: structured('OTEL_TRACES_SAMPLER_ARG', 'a number from 0 to 1', parseShare, {
    default: 0.01,
    doc: 'Share of traces for the samplers by ratio.',
  }),
  otelPropagators: structured('OTEL_PROPAGATORS', 'a list separated by commas', parsePropagators, {
    default: ['tracecontext', 'b3multi'] as readonly Propagator[],
    defaultText: 'tracecontext,b3multi',
    doc: `Headers that carry a trace in and out: of ${PROPAGATORS.join(', ')}. Where a request has more than one of them, the first named counts.`,
  }),
  otelServiceName: text('OTEL_SERVICE_NAME', {
    defaultText: '`fnfleet-` and the role',
    doc: 'Name of the service in traces and metrics.',
  }),
  otelResource: structured('OTEL_RESOURCE_ATTRIBUTES', 'key=value pairs separated by commas', parseResource, {
    default: {} as Readonly<Record<string, string>>,
    defaultText: 'none',
    doc: 'What else is said of the process in traces and metrics. Values are percent-encoded.',
  }),
  otelMetricIntervalMs: durationMs('OTEL_METRIC_EXPORT_INTERVAL', {
    default: 60_000,
    doc: 'How often metrics are sent to the collector.',
  }),
  otelBatchDelayMs: durationMs('OTEL_BSP_SCHEDULE_DELAY', {
    default: 5_000,
    doc: 'How long a span waits for others, to be sent with them.',
  }),
  otelBatchQueue: integer('OTEL_BSP_MAX_QUEUE_SIZE', {
    default: 2_048,
    min: 1,
    doc: 'Spans that wait at most; more are dropped.',
  }),
  otelBatchSize: integer('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', {
    default: 512,
    min: 1,
    doc: 'Spans that are sent together at most.',
  }),
  zipkinUrl: text('FN_ZIPKIN_URL', {
    doc: 'Of Fn. Has no effect but a line in the log: a collector takes spans by OTLP, and hands them on to Zipkin.',
  }),
  jaegerUrl: text('FN_JAEGER_URL', { doc: 'Likewise; Jaeger takes OTLP itself.' }),
} as const;

export type TelemetrySettings = SettingsOf<typeof telemetrySettings>;

function parseShare(given: string): number {
  const share = Number(given);
  if (given.trim() === '' || !(share >= 0 && share <= 1)) throw new Error(`${given} is none`);
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
