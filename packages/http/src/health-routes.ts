import { sendJson } from './answers.js';
import type { Route } from './route.js';

/** Whether a node is to get work, for whoever directs traffic to it. */
export interface Readiness {
  /** `suspended`: an operator has told it to take none; it is well otherwise. */
  readonly state: 'starting' | 'ready' | 'suspended' | 'draining';
  /** It takes work, but not all that it should: why. */
  readonly degraded?: string | undefined;
}

/** `/healthz`: the process lives. `/readyz`: it takes work; 503 while it starts, while it is suspended, and from the moment it drains. */
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
