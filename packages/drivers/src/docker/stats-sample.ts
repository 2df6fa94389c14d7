/** What the engine tells of a container at one moment, as far as it is used. Depends on the cgroup version. */
export interface EngineStats {
  readonly read: string;
  readonly networks?: Readonly<Record<string, { readonly rx_bytes?: number; readonly tx_bytes?: number }>>;
  readonly memory_stats?: { readonly limit?: number; readonly usage?: number };
  readonly blkio_stats?: {
    readonly io_service_bytes_recursive?: readonly { readonly op: string; readonly value: number }[] | null;
  };
  readonly cpu_stats?: CpuStats;
  readonly precpu_stats?: CpuStats;
}

interface CpuStats {
  readonly cpu_usage?: {
    readonly total_usage?: number;
    readonly usage_in_usermode?: number;
    readonly usage_in_kernelmode?: number;
    readonly percpu_usage?: readonly number[] | null;
  };
  readonly system_cpu_usage?: number;
  readonly online_cpus?: number;
}

export type StatsMetric = `docker_stats_${
  | 'net_rx'
  | 'net_tx'
  | 'disk_read'
  | 'disk_write'
  | 'mem_limit'
  | 'mem_usage'
  | 'cpu_user'
  | 'cpu_total'
  | 'cpu_kernel'}`;

/** What the engine sends for a container that does not run. */
const NO_SAMPLE = '0001-01-01T00:00:00Z';

/** The figures of one sample; undefined when the container did not run. Bytes, and CPU in percent of one core. */
export function figuresOf(stats: EngineStats): Readonly<Record<StatsMetric, number>> | undefined {
  if (stats.read === NO_SAMPLE) return undefined;
  const networks = Object.values(stats.networks ?? {});
  const before = stats.precpu_stats?.cpu_usage;
  const now = stats.cpu_stats?.cpu_usage;
  const percent = (used: number, usedBefore: number) => cpuPercent(used - usedBefore, stats);
  return {
    docker_stats_net_rx: sum(networks.map(({ rx_bytes }) => rx_bytes)),
    docker_stats_net_tx: sum(networks.map(({ tx_bytes }) => tx_bytes)),
    docker_stats_disk_read: diskBytes(stats, 'read'),
    docker_stats_disk_write: diskBytes(stats, 'write'),
    docker_stats_mem_limit: stats.memory_stats?.limit ?? 0,
    docker_stats_mem_usage: stats.memory_stats?.usage ?? 0,
    docker_stats_cpu_user: percent(now?.usage_in_usermode ?? 0, before?.usage_in_usermode ?? 0),
    docker_stats_cpu_total: percent(now?.total_usage ?? 0, before?.total_usage ?? 0),
    docker_stats_cpu_kernel: percent(now?.usage_in_kernelmode ?? 0, before?.usage_in_kernelmode ?? 0),
  };
}

/** Whole percent; 0 when the machine has not moved on between the two readings. */
function cpuPercent(used: number, { cpu_stats: now, precpu_stats: before }: EngineStats): number {
  const passed = (now?.system_cpu_usage ?? 0) - (before?.system_cpu_usage ?? 0);
  if (passed <= 0) return 0;
  // No list of processors with cgroup v2.
  const processors = now?.cpu_usage?.percpu_usage?.length || now?.online_cpus || 1;
  return Math.trunc((used / passed) * processors * 100);
}

function diskBytes({ blkio_stats }: EngineStats, op: string): number {
  const entries = blkio_stats?.io_service_bytes_recursive ?? [];
  return sum(entries.filter((entry) => entry.op.toLowerCase() === op).map(({ value }) => value));
}

function sum(values: readonly (number | undefined)[]): number {
  return values.reduce<number>((total, value) => total + (value ?? 0), 0);
}
