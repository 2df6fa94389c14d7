import { type Route, sendJson } from '@fnfleet/http';
import type { FleetStatus } from '@fnfleet/placement';

/** Tells what this balancer sees of its runners. */
export function fleetRoute(status: () => FleetStatus | undefined): Route {
  return {
    method: 'GET',
    path: '/fleet',
    access: 'operator',
    handle(_req, res) {
      const fleet = status();
      if (fleet === undefined) return sendJson(res, 200, { runners: [] });
      sendJson(res, 200, {
        waiting: fleet.waiting,
        in_flight: fleet.inFlight,
        pool: fleet.pool && {
          kind: fleet.pool.kind,
          source: fleet.pool.source,
          list_age_ms: fleet.pool.listAgeMs,
          changed_age_ms: fleet.pool.changedAgeMs,
          failing: fleet.pool.failing,
          last_failure: fleet.pool.lastFailure && {
            reason: fleet.pool.lastFailure.reason,
            age_ms: fleet.pool.lastFailure.ageMs,
          },
          leaving: fleet.pool.leaving,
          refused: fleet.pool.refused,
        },
        runners: fleet.runners.map(({ address, state, inFlight, weight, warmFunctions, load }) => ({
          address,
          state,
          in_flight: inFlight,
          weight,
          warm_functions: warmFunctions,
          load: load && {
            incarnation: load.incarnation,
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
          },
        })),
      });
    },
  };
}
