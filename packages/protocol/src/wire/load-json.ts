import type { LoadLine } from '@fnfleet/operator-api';
import type { LoadReport } from './load-report.js';

/** A load report in the JSON of balancers and runners for operators. */
export function loadJson(load: LoadReport): LoadLine {
  return {
    incarnation: load.instanceId,
    memory_used_bytes: load.memoryUsedBytes,
    memory_idle_bytes: load.memoryIdleBytes,
    memory_total_bytes: load.memoryTotalBytes,
    cpu_used_millis: load.cpuUsedMillis,
    cpu_total_millis: load.cpuTotalMillis,
    active: load.active,
    waiting: load.waiting,
    draining: load.draining,
    degraded: load.degraded,
    degraded_reason: load.degradedReason || undefined,
  };
}
