import type { Clock, Timer } from '@fnfleet/core';
import { diag } from '@opentelemetry/api';
import { type ExportResult, ExportResultCode } from '@opentelemetry/core';
import type { IMetricReader, PushMetricExporter } from '@opentelemetry/sdk-metrics';

/**
 * Sends to a collector, again and again, what a reader of metrics has. The reader is the one that `/metrics` is answered
 * from: the SDK keeps every count once for each reader there is, and a second one would cost each call some percent.
 */
export class MetricPush {
  private timer: Timer;
  private sending: Promise<void> | undefined;

  constructor(
    private readonly reader: Pick<IMetricReader, 'collect'>,
    private readonly exporter: PushMetricExporter,
    private readonly everyMs: number,
    private readonly clock: Pick<Clock, 'after'>,
  ) {
    this.timer = this.later();
  }

  /** Sends what there is a last time. Rejects when that fails. */
  async close(): Promise<void> {
    this.timer.cancel();
    await this.send();
    await this.exporter.shutdown();
  }

  private later(): Timer {
    return this.clock.after(this.everyMs, () => {
      this.timer = this.later();
      void this.send();
    });
  }

  /** A collector that is slower than we are gets no second one meanwhile. */
  private send(): Promise<void> {
    this.sending ??= this.sendNow().finally(() => {
      this.sending = undefined;
    });
    return this.sending;
  }

  private async sendNow(): Promise<void> {
    const { resourceMetrics } = await this.reader.collect();
    const result = await new Promise<ExportResult>((resolve) => this.exporter.export(resourceMetrics, resolve));
    if (result.code !== ExportResultCode.SUCCESS) diag.error(result.error?.message ?? 'metrics were not taken');
  }
}
