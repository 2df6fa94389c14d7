import { type Clock, observe } from '@fnfleet/core';
import { type HealthView, untilHealthy } from '../driver-health.js';
import { figuresOf, type StatsMetric } from './stats-sample.js';

/** Each worker takes at most one sample per second, the rate of a stats stream. */
const PACE_MS = 1_000;

export interface StatsSamplerOptions {
  /** How many containers are sampled at the same time; 0: none. */
  readonly atOnce: number;
  /** Names of the running containers, in a stable order. */
  readonly running: () => readonly string[];
  /** Two readings about a second apart. */
  readonly stats: (container: string, signal: AbortSignal) => Promise<unknown>;
  readonly health: HealthView;
  readonly clock: Clock;
}

/**
 * Samples the statistics of containers in turn. A stream per container would cost the engine a reading of every control group
 * every second, and the runner a connection each; a few samples at a time give the same histograms at a bounded cost.
 */
export class StatsSampler {
  private readonly over = new AbortController();
  /** Containers that have not been sampled in this round. */
  private round: string[] = [];

  constructor(private readonly options: StatsSamplerOptions) {}

  begin(): void {
    for (let i = 0; i < this.options.atOnce; i += 1) void this.work();
  }

  end(): void {
    this.over.abort();
  }

  private async work(): Promise<void> {
    const { signal } = this.over;
    const { clock, health } = this.options;
    while (!signal.aborted) {
      const pace = clock.sleep(PACE_MS, signal);
      const container = this.next();
      if (container !== undefined) await this.sample(container);
      await pace;
      await untilHealthy(health, signal);
    }
  }

  private next(): string | undefined {
    if (this.round.length === 0) this.round = [...this.options.running()];
    return this.round.shift();
  }

  private async sample(container: string): Promise<void> {
    try {
      const figures = figuresOf(await this.options.stats(container, this.over.signal));
      for (const [name, value] of Object.entries(figures ?? {})) observe(name as StatsMetric, value);
    } catch {
      // The container has ended or the engine does not answer, so there is nothing to report.
    }
  }
}
