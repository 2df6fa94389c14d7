import type { MetricName } from './declarations.js';
import { readLevels, tapMetrics } from './registry.js';
import type { Labels } from './series.js';

interface Entry {
  readonly value: number;
  readonly labels: Labels;
}

/** Records every event that the process counts or measures, for tests. */
export class RecordedMetrics {
  private readonly entries = new Map<MetricName, Entry[]>();
  /** The last values of metrics that are read on export, by name and labels. */
  private readonly seen = new Map<string, number>();

  /** Starts recording. Only one recorder may be active. */
  static install(): RecordedMetrics {
    const recorded = new RecordedMetrics();
    tapMetrics((name, value, labels) => recorded.record(name, value, labels));
    recorded.readLevels();
    recorded.entries.clear();
    return recorded;
  }

  /** The total of a counter, or the current value of a gauge. */
  sum(name: MetricName, labels: Labels = {}): number {
    return this.values(name, labels).reduce((total, value) => total + value, 0);
  }

  /**
   * Each event whose labels include the given ones, in order. For a metric that is read on export, only the change since the
   * last read is known.
   */
  values(name: MetricName, labels: Labels = {}): readonly number[] {
    this.readLevels();
    return (this.entries.get(name) ?? [])
      .filter((entry) => Object.entries(labels).every(([key, value]) => entry.labels[key] === value))
      .map((entry) => entry.value);
  }

  /** Forgets everything recorded so far. */
  reset(): void {
    this.readLevels();
    this.entries.clear();
  }

  private readLevels(): void {
    for (const { name, labels, value } of readLevels()) {
      const key = JSON.stringify([name, labels]);
      const change = value - (this.seen.get(key) ?? 0);
      if (change !== 0) this.record(name, change, labels);
      this.seen.set(key, value);
    }
  }

  private record(name: MetricName, value: number, labels: Labels = {}): void {
    const entries = this.entries.get(name);
    if (entries === undefined) this.entries.set(name, [{ value, labels }]);
    else entries.push({ value, labels });
  }
}
