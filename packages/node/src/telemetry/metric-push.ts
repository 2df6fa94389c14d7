import type { Clock, Timer } from '@fnfleet/core';
import { diag } from '@opentelemetry/api';
import { type ExportResult, ExportResultCode } from '@opentelemetry/core';
import type { PushMetricExporter, ResourceMetrics } from '@opentelemetry/sdk-metrics';

/** Sends the metrics of the process to a collector periodically. */
export class MetricPush {
  private timer: Timer;
  private sending: Promise<void> | undefined;

  constructor(
    private readonly read: () => ResourceMetrics,
    private readonly exporter: PushMetricExporter,
    private readonly everyMs: number,
    private readonly clock: Pick<Clock, 'after'>,
  ) {
    this.timer = this.later();
  }

  /** Sends the metrics one last time. Rejects when that fails. */
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

  /** Skips a round while a slow collector has not answered the previous one. */
  private send(): Promise<void> {
    this.sending ??= this.sendNow().finally(() => {
      this.sending = undefined;
    });
    return this.sending;
  }

  private async sendNow(): Promise<void> {
    const result = await new Promise<ExportResult>((resolve) => this.exporter.export(this.read(), resolve));
    if (result.code !== ExportResultCode.SUCCESS) diag.error(result.error?.message ?? 'the metrics were rejected');
  }
}
