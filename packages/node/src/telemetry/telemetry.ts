import type { IncomingMessage, ServerResponse } from 'node:http';
import os from 'node:os';
import {
  type Clock,
  installTraceEntry,
  type Labels,
  LONG_AGO,
  type Logger,
  later,
  type MetricSnapshot,
  PROMETHEUS_CONTENT_TYPE,
  readMetrics,
  renderPrometheus,
  systemClock,
  VERSION,
} from '@fnfleet/core';
import { context, type DiagLogger, DiagLogLevel, diag, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { LazyPropagator } from './lazy-propagator.js';
import type { TelemetrySettings } from './telemetry-settings.js';

/** Time limit for sending the last traces and metrics of a process, milliseconds. */
const FLUSH_MS = 2_000;

export interface Telemetry {
  /** Renders the response to `GET /metrics`. */
  readonly metrics: (req: IncomingMessage, res: ServerResponse) => void | Promise<void>;
  /**
   * Sends what is still queued. Never rejects, and does not wait for an unreachable collector.
   * @returns false if it gave up waiting: the pending export then keeps the process alive
   */
  close(): Promise<boolean>;
}

/**
 * Metrics and traces of a whole process. The OpenTelemetry SDK is loaded only if there is a collector: it would take a
 * third of the memory of an idle role.
 * @param role default name of the service
 * @param read the metrics that `/metrics` shows; those of this process by default
 */
export async function startTelemetry(
  role: string,
  settings: TelemetrySettings,
  logger: Logger,
  read: () => MetricSnapshot[] | Promise<MetricSnapshot[]> = readMetrics,
): Promise<Telemetry> {
  for (const name of legacyNames(settings)) {
    logger.warn(`${name} has no effect: send spans to a collector with OTLP (OTEL_EXPORTER_OTLP_ENDPOINT)`);
  }
  new ExportTroubles(logger, systemClock).install();
  const target = describeProcess(role, settings);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const propagator = new LazyPropagator(settings.otelPropagators);
  propagation.setGlobalPropagator(propagator);
  const exports = exportsAnything(settings)
    ? await (await import('./exports.js')).startExports(target, settings)
    : NONE;
  // Incoming trace headers are passed on even if nothing is recorded here.
  const takeBack = installTraceEntry({ headers: propagator.fields(), begins: exports.begins });

  return {
    async metrics(_req, res) {
      const text = renderPrometheus(await read(), target);
      res.setHeader('content-type', PROMETHEUS_CONTENT_TYPE);
      res.end(text);
    },
    async close() {
      const done = await within(FLUSH_MS, exports.close());
      takeBack();
      for (const api of [trace, context, propagation, diag]) api.disable();
      return done;
    },
  };
}

const NONE = { begins: () => false, close: () => Promise.resolve() };

function exportsAnything(settings: TelemetrySettings): boolean {
  const { otelDisabled, otelEndpoint, otelTracesEndpoint, otelMetricsEndpoint } = settings;
  const asked = [otelEndpoint, otelTracesEndpoint, otelMetricsEndpoint, settings.otelTracesExporter];
  return !otelDisabled && [...asked, settings.otelMetricsExporter].some((given) => given !== undefined);
}

/** Describes the process with the resource attributes of OpenTelemetry. */
function describeProcess(role: string, { otelServiceName, otelResource }: TelemetrySettings): Labels {
  return {
    'service.name': `fnfleet-${role}`,
    'service.version': VERSION,
    'service.instance.id': `${os.hostname()}-${process.pid}`,
    'host.name': os.hostname(),
    ...otelResource,
    ...(otelServiceName !== undefined && { 'service.name': otelServiceName }),
  };
}

function legacyNames({ zipkinUrl, jaegerUrl }: TelemetrySettings): string[] {
  return [...(zipkinUrl ? ['FN_ZIPKIN_URL'] : []), ...(jaegerUrl ? ['FN_JAEGER_URL'] : [])];
}

/** @returns false if it took longer */
async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  const over = new AbortController();
  const done = await Promise.race([work.then(() => true), systemClock.sleep(ms, over.signal).then(() => false)]);
  over.abort();
  return done;
}

/** Minimum time between two warnings: exports to an unreachable collector fail every few seconds. Milliseconds. */
const QUIET_MS = 60_000;

/** Logs the errors of the SDK, at a limited rate. */
export class ExportTroubles {
  private quietUntil = LONG_AGO;
  private untold = 0;

  constructor(
    private readonly logger: Logger,
    private readonly clock: Pick<Clock, 'now'>,
  ) {}

  install(): void {
    const tell = (message: string, ...details: unknown[]) => this.tell(message, details);
    const quiet = () => undefined;
    const sink: DiagLogger = { error: tell, warn: tell, info: quiet, debug: quiet, verbose: quiet };
    diag.setLogger(sink, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  }

  private tell(message: string, details: readonly unknown[]): void {
    const now = this.clock.now();
    if (now < this.quietUntil) {
      this.untold += 1;
      return;
    }
    this.quietUntil = later(now, QUIET_MS);
    this.logger.warn('cannot export traces or metrics to the collector (OTEL_EXPORTER_OTLP_ENDPOINT)', {
      error: reasonOf(message, details),
      ...(this.untold > 0 && { untold: this.untold }),
    });
    this.untold = 0;
  }
}

/** The SDK passes errors as JSON with their stacks; only the message is useful in a log. */
function reasonOf(message: string, details: readonly unknown[]): string {
  const [, inJson] = /"message":"((?:[^"\\]|\\.)*)"/.exec(message) ?? [];
  const texts = details.map((detail) => (detail instanceof Error ? detail.message : String(detail)));
  return [inJson ?? message, ...texts].join(' ').slice(0, 500);
}
