import { performance } from 'node:perf_hooks';
import { type MetricName, type Reading, readWhenExported, VERSION } from '@fnfleet/core';

/**
 * Measures the process itself, whatever its role. Call it after the meter provider is installed.
 * @returns a function that stops measuring; idempotent
 */
export function measureProcess(role: string): () => void {
  const startedAt = Math.round(performance.timeOrigin / 1000);
  const readings = {
    process_start_time_seconds: () => startedAt,
    process_resident_memory_bytes: () => process.memoryUsage.rss(),
    process_cpu_seconds: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    },
    process_busy_seconds: () => performance.eventLoopUtilization().active / 1000,
  } satisfies Partial<Record<MetricName, () => number>>;
  const ends = [
    readWhenExported('build_info', () => one(1, { version: VERSION, role })),
    ...Object.entries(readings).map(([name, read]) =>
      readWhenExported(name as keyof typeof readings, () => one(read())),
    ),
  ];
  return () => {
    for (const end of ends) end();
  };
}

function one(value: number, attributes?: Reading['attributes']): Reading[] {
  return [attributes === undefined ? { value } : { value, attributes }];
}
