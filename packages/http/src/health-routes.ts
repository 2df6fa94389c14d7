import { sendJson } from './answers.js';
import type { Route } from './route.js';

/** Readiness of a node, for health checks and load balancers in front of it. */
export interface Readiness {
  /** `suspended`: healthy, but drained by an operator. */
  readonly state: 'starting' | 'ready' | 'suspended' | 'draining';
  /** Why the node accepts only part of its work. */
  readonly degraded?: string | undefined;
}

/** `/healthz`: the process is alive. `/readyz`: it accepts work; 503 while it starts, is suspended or drains. */
export function healthRoutes(readiness: () => Readiness): Route[] {
  return [
    { method: 'GET', path: '/healthz', access: 'open', handle: (_req, res) => sendJson(res, 200, { status: 'ok' }) },
    {
      method: 'GET',
      path: '/readyz',
      access: 'open',
      handle: (_req, res) => {
        const { state, degraded } = readiness();
        sendJson(res, state === 'ready' ? 200 : 503, { status: state, degraded });
      },
    },
  ];
}
