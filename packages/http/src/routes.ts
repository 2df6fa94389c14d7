import type { Request, Response } from 'express';
import type { Access } from './access/access-guard.js';
import { sendJson } from './answers.js';

/**
 * Handles a request. A thrown FnError becomes its status and message, anything else a 500 with the cause in the log.
 */
export type RouteHandler = (req: Request, res: Response) => void | Promise<void>;

export interface Route {
  /** Upper case, as on the wire. */
  readonly method: string;
  /** Express template: `/v2/apps/:app_id`, `/t/:app_name/*source`. Also the label of the route's metrics. */
  readonly path: string;
  /** Who may use the route; `caller` by default. */
  readonly access?: Access;
  readonly handle: RouteHandler;
}

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
