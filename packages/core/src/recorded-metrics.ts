import { type Attributes, metrics, type ObservableCallback } from '@opentelemetry/api';
import { METRIC_PREFIX, type MetricName } from './telemetry.js';

interface Entry {
  readonly value: number;
  readonly attributes: Attributes;
}

/** A running total, and how much of it has been recorded, by labels. */
interface Total {
  readonly name: string;
  readonly read: ObservableCallback;
  readonly seen: Map<string, number>;
}

/**
 * Keeps in memory what a process measures, so that a test can look at it. Install it before the code under test counts
 * anything: instruments stay with the provider they were made by.
 */
export class RecordedMetrics {
  private readonly entries = new Map<string, Entry[]>();
  private readonly totals: Total[] = [];

  static install(): RecordedMetrics {
    const recorded = new RecordedMetrics();
    const instrument = (name: string) => ({
      add: (value: number, attributes?: Attributes) => value !== 0 && recorded.record(name, value, attributes),
      record: (value: number, attributes?: Attributes) => recorded.record(name, value, attributes),
    });
    const total = (name: string) => ({
      addCallback: (read: ObservableCallback) => recorded.totals.push({ name, read, seen: new Map() }),
    });
    const meter = {
      createCounter: instrument,
      createUpDownCounter: instrument,
      createHistogram: instrument,
      createObservableCounter: total,
      createObservableUpDownCounter: total,
    };
    metrics.disable();
    metrics.setGlobalMeterProvider({ getMeter: () => meter as unknown as ReturnType<typeof metrics.getMeter> });
    return recorded;
  }

  /** Everything that was added to a counter, or the present level of a gauge. */
  sum(name: MetricName, attributes: Attributes = {}): number {
    return this.values(name, attributes).reduce((total, value) => total + value, 0);
  }

  /**
   * Each single observation whose attributes include the given ones, in order. Of what is counted without labels only
   * the change since somebody looked last is known.
   */
  values(name: MetricName, attributes: Attributes = {}): readonly number[] {
    this.readTotals();
    return (this.entries.get(METRIC_PREFIX + name) ?? [])
      .filter((entry) => Object.entries(attributes).every(([key, value]) => entry.attributes[key] === value))
      .map((entry) => entry.value);
  }

  /** Forgets what was measured so far. */
  reset(): void {
    this.readTotals();
    this.entries.clear();
  }

  private readTotals(): void {
    for (const total of this.totals) {
      const observe = (value: number, attributes?: Attributes) => {
        const key = JSON.stringify(attributes ?? {});
        const change = value - (total.seen.get(key) ?? 0);
        if (change !== 0) this.record(total.name, change, attributes);
        total.seen.set(key, value);
      };
      void total.read({ observe });
    }
  }

  private record(name: string, value: number, attributes: Attributes = {}): void {
    const entries = this.entries.get(name);
    if (entries === undefined) this.entries.set(name, [{ value, attributes }]);
    else entries.push({ value, attributes });
  }
}
