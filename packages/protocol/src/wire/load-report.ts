import type { LoadLine } from '@fnfleet/operator-api';

/**
 * The load of a runner, reported at the end of each attempt and in `Status`. Balancers use it to place calls. Runners of Fn send
 * none, so nothing may depend on it.
 */
export interface LoadReport {
  /** A random id of the runner's process; it changes when the process restarts. Empty if not reported. */
  readonly instanceId: string;
  /** Reserved for containers, including idle ones. */
  readonly memoryUsedBytes: number;
  readonly memoryTotalBytes: number;
  /** The part of it that idle containers would give up for another function. Undefined if not reported. */
  readonly memoryIdleBytes?: number | undefined;
  readonly cpuUsedMillis: number;
  readonly cpuTotalMillis: number;
  /** Open engagements, including the one that brings the report. */
  readonly active: number;
  /** Calls waiting for a container. */
  readonly waiting: number;
  /** Hot containers that could take another call of the same function at once. Undefined if the report is not about a function. */
  readonly freeSlots: number | undefined;
  /** It takes no more calls and will be gone soon. */
  readonly draining: boolean;
  /** It cannot create containers now; hot ones still serve. */
  readonly degraded: boolean;
  /** Why, for operators. Only in `Status`; empty elsewhere. */
  readonly degradedReason: string;
}

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
