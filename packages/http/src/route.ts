import type { Request, Response } from 'express';
import type { Access } from './access/access-guard.js';

/** Answers a request, or throws: an FnError becomes its status and text, anything else a 500 with the cause in the log. */
export type RouteHandler = (req: Request, res: Response) => void | Promise<void>;

export interface Route {
  /** Upper case, as on the wire. */
  readonly method: string;
  /** Express template: `/v2/apps/:app_id`, `/t/:app_name/*source`. Also the label of the route's metrics. */
  readonly path: string;
  /** Whom it answers; `caller` unless given. */
  readonly access?: Access;
  readonly handle: RouteHandler;
}
