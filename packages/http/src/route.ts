import type { Request, Response } from 'express';
import type { Access } from './access/access-guard.js';

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
