import { type Attributes, metrics } from '@opentelemetry/api';
import type { MetricName } from './telemetry.js';

interface Entry {
  readonly value: number;
  readonly attributes: Attributes;
}

/**
 * Keeps in memory what a process measures, so that a test can look at it. Install it before the code under test counts
 * anything: instruments stay with the provider they were made by.
 */
export class RecordedMetrics {
  private readonly entries = new Map<string, Entry[]>();

  static install(): RecordedMetrics {
    const recorded = new RecordedMetrics();
    const instrument = (name: string) => ({
      add: (value: number, attributes?: Attributes) => recorded.record(name, value, attributes),
      record: (value: number, attributes?: Attributes) => recorded.record(name, value, attributes),
    });
    const meter = { createCounter: instrument, createUpDownCounter: instrument, createHistogram: instrument };
    metrics.disable();
    metrics.setGlobalMeterProvider({ getMeter: () => meter as unknown as ReturnType<typeof metrics.getMeter> });
    return recorded;
  }

  /** Everything that was added to a counter, or the present level of a gauge. */
  sum(name: MetricName, attributes: Attributes = {}): number {
    return this.values(name, attributes).reduce((total, value) => total + value, 0);
  }

  /** Each single observation whose attributes include the given ones, in order. */
  values(name: MetricName, attributes: Attributes = {}): readonly number[] {
    return (this.entries.get(name) ?? [])
      .filter((entry) => Object.entries(attributes).every(([key, value]) => entry.attributes[key] === value))
      .map((entry) => entry.value);
  }

  /** Forgets what was measured so far. */
  reset(): void {
    this.entries.clear();
  }

  private record(name: string, value: number, attributes: Attributes = {}): void {
    const entries = this.entries.get(name);
    if (entries === undefined) this.entries.set(name, [{ value, attributes }]);
    else entries.push({ value, attributes });
  }
}
