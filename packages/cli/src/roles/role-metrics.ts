import type { IncomingMessage, ServerResponse } from 'node:http';
import { metrics } from '@opentelemetry/api';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';

export interface RoleMetrics {
  /** Answers `GET /metrics`. */
  readonly handler: (req: IncomingMessage, res: ServerResponse) => void;
  close(): Promise<void>;
}

/** Measures for a whole process. The packages only use the OpenTelemetry API; the SDK is wired here, in the roles. */
export function startMetrics(): RoleMetrics {
  const exporter = new PrometheusExporter({ preventServerStart: true, prefix: 'fn' });
  const provider = new MeterProvider({ readers: [exporter] });
  metrics.setGlobalMeterProvider(provider);
  return {
    handler: (req, res) => exporter.getMetricsRequestHandler(req, res),
    async close() {
      await provider.shutdown().catch(() => undefined);
      metrics.disable();
    },
  };
}
