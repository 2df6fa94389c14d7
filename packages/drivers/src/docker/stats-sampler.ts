import { type Clock, observe } from '@fnfleet/core';
import { type HealthView, untilHealthy } from '../driver-health.js';
import { fieldsOf, numberOf, textOf } from './engine-answers.js';

/** Each worker takes at most one sample per second, the rate of a stats stream. */
const PACE_MS = 1_000;

interface StatsSamplerOptions {
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
  private readonly lifetime = new AbortController();
  /** Containers that have not been sampled in this round. */
  private round: string[] = [];

  constructor(private readonly options: StatsSamplerOptions) {}

  start(): void {
    for (let i = 0; i < this.options.atOnce; i += 1) void this.work();
  }

  close(): void {
    this.lifetime.abort();
  }

  private async work(): Promise<void> {
    const { signal } = this.lifetime;
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
      const figures = figuresOf(await this.options.stats(container, this.lifetime.signal));
      for (const [name, value] of Object.entries(figures ?? {})) observe(name as StatsMetric, value);
    } catch {
      // The container has ended or the engine does not answer, so there is nothing to report.
    }
  }
}

type StatsMetric = `docker_stats_${
  | 'net_rx'
  | 'net_tx'
  | 'disk_read'
  | 'disk_write'
  | 'mem_limit'
  | 'mem_usage'
  | 'cpu_user'
  | 'cpu_total'
  | 'cpu_kernel'}`;

/** The timestamp that the engine sends for a container that does not run. */
const NO_SAMPLE = '0001-01-01T00:00:00Z';

/**
 * Extracts the metrics of one sample. Which fields exist depends on the version of control groups. Bytes, and CPU in percent of
 * one core. Undefined if the container did not run.
 */
export function figuresOf(answer: unknown): Readonly<Record<StatsMetric, number>> | undefined {
  const stats = fieldsOf(answer);
  if ((textOf(stats.read) ?? NO_SAMPLE) === NO_SAMPLE) return undefined;
  const networks = Object.values(fieldsOf(stats.networks)).map(fieldsOf);
  const memory = fieldsOf(stats.memory_stats);
  const cpu = new CpuReadings(fieldsOf(stats.cpu_stats), fieldsOf(stats.precpu_stats));
  return {
    docker_stats_net_rx: sum(networks.map(({ rx_bytes }) => rx_bytes)),
    docker_stats_net_tx: sum(networks.map(({ tx_bytes }) => tx_bytes)),
    docker_stats_disk_read: diskBytes(stats.blkio_stats, 'read'),
    docker_stats_disk_write: diskBytes(stats.blkio_stats, 'write'),
    docker_stats_mem_limit: numberOf(memory.limit) ?? 0,
    docker_stats_mem_usage: numberOf(memory.usage) ?? 0,
    docker_stats_cpu_user: cpu.percentOf('usage_in_usermode'),
    docker_stats_cpu_total: cpu.percentOf('total_usage'),
    docker_stats_cpu_kernel: cpu.percentOf('usage_in_kernelmode'),
  };
}

type Fields = ReturnType<typeof fieldsOf>;

/** Two readings, about a second apart. */
class CpuReadings {
  private readonly passed: number;
  private readonly processors: number;
  private readonly used: Fields;
  private readonly usedBefore: Fields;

  constructor(now: Fields, before: Fields) {
    this.passed = (numberOf(now.system_cpu_usage) ?? 0) - (numberOf(before.system_cpu_usage) ?? 0);
    this.used = fieldsOf(now.cpu_usage);
    this.usedBefore = fieldsOf(before.cpu_usage);
    const { percpu_usage } = this.used;
    // cgroup v2 has no list of processors.
    this.processors = (Array.isArray(percpu_usage) && percpu_usage.length) || numberOf(now.online_cpus) || 1;
  }

  /** Whole percent; 0 if no CPU time passed between the two readings. */
  percentOf(what: string): number {
    if (this.passed <= 0) return 0;
    const used = (numberOf(this.used[what]) ?? 0) - (numberOf(this.usedBefore[what]) ?? 0);
    return Math.trunc((used / this.passed) * this.processors * 100);
  }
}

function diskBytes(blkio: unknown, op: string): number {
  const { io_service_bytes_recursive: entries } = fieldsOf(blkio);
  const found = (Array.isArray(entries) ? entries : []).map(fieldsOf);
  return sum(found.filter((entry) => textOf(entry.op)?.toLowerCase() === op).map(({ value }) => value));
}

function sum(values: readonly unknown[]): number {
  return values.reduce<number>((total, value) => total + (numberOf(value) ?? 0), 0);
}
