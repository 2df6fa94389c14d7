import type { IncomingMessage, ServerResponse } from 'node:http';
import { FnError, type Logger, silentLogger, VERSION } from '@fnfleet/core';
import express, { type Express, type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import { type AccessGuard, openGuard } from './access/access-guard.js';
import { logFailure, sendError, sendJson } from './answers.js';
import { newCorsPolicy } from './cors.js';
import { checkDeclaredLength } from './request-body.js';
import { measureRequest, type RequestLabels } from './request-metrics.js';
import { healthRoutes, type Readiness, type Route } from './routes.js';
import type { HttpSettings } from './settings.js';

export interface NodeAppOptions {
  readonly routes: readonly Route[];
  readonly settings?: Partial<Pick<HttpSettings, 'maxRequestBytes' | 'corsOrigins' | 'corsHeaders' | 'allowedHosts'>>;
  /** Handler for `GET /metrics`; without it the path does not exist. */
  readonly metrics?: (req: IncomingMessage, res: ServerResponse) => void | Promise<void>;
  /** State for `GET /readyz`; always ready by default. */
  readonly readiness?: () => Readiness;
  /** Middleware that runs in order around every route, and around responses to unknown paths. */
  readonly middleware?: readonly RequestHandler[];
  /**
   * Authorizes requests, after the middleware and before the route. By default it refuses only web pages of other
   * origins.
   */
  readonly guard?: AccessGuard;
  readonly logger?: Logger;
}

/**
 * The Express application of a node: its own routes next to `/`, `/version`, `/healthz`, `/readyz` and `/metrics`.
 *
 * Routing is exact: case matters, slashes are never collapsed, HEAD and OPTIONS are methods like any other, and paths
 * are percent-decoded before matching. A request with one extra trailing slash is redirected.
 */
export function createNodeApp(options: NodeAppOptions): Express {
  const { settings = {}, guard = openGuard(settings), logger = silentLogger } = options;
  const { maxRequestBytes = 0, corsOrigins = [], corsHeaders = [] } = settings;
  const cors = newCorsPolicy(corsOrigins, corsHeaders);

  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.enable('strict routing');
  app.enable('case sensitive routing');

  app.use((req, res, next) => {
    res.locals.labels = measureRequest(req, res);
    if (cors(req, res)) return;
    checkDeclaredLength(req, maxRequestBytes);
    decodePath(req);
    next();
  });
  for (const handler of options.middleware ?? []) app.use(handler);
  mount(app, [...options.routes, ...commonRoutes(options)], guard);
  app.use((req) => {
    guard.check(req, 'caller');
    throw new FnError('pathNotFound', { params: { method: req.method, path: plainPath(req) } });
  });
  app.use((error: unknown, req: Request, res: Response, _next: NextFunction) => {
    logFailure(logger, error, { method: req.method, route: labelsOf(res).route });
    sendError(res, error);
  });
  return app;
}

function commonRoutes({ metrics, readiness = () => ({ state: 'ready' }) }: NodeAppOptions): Route[] {
  const ping = { goto: 'https://github.com/fnproject/fn', hello: 'world!' };
  return [
    { method: 'GET', path: '/', handle: (_req, res) => sendJson(res, 200, ping) },
    { method: 'GET', path: '/version', handle: (_req, res) => sendJson(res, 200, { version: VERSION }) },
    ...healthRoutes(readiness),
    ...(metrics ? [{ method: 'GET', path: '/metrics', access: 'operator', handle: metrics } as const] : []),
  ];
}

/** One Express route for each path, to distinguish a wrong method from an unknown path. */
function mount(app: Express, routes: readonly Route[], guard: AccessGuard): void {
  const byPath = Map.groupBy(routes, (route) => route.path);
  for (const [path, sharers] of byPath) {
    const handlers = new Map(sharers.map((route) => [route.method, route]));
    app.all(path, async (req, res) => {
      labelsOf(res).route = path;
      const route = handlers.get(req.method);
      guard.check(req, route?.access ?? 'caller');
      if (route === undefined) {
        throw new FnError('methodNotAllowed', { params: { method: req.method, path: plainPath(req) } });
      }
      await route.handle(req, res);
    });
    if (path !== '/' && !path.includes('*')) {
      app.all(`${path}/`, (req, res, next) => (handlers.has(req.method) ? redirectWithoutSlash(req, res) : next()));
    }
  }
}

function redirectWithoutSlash(req: Request, res: Response): void {
  const [, path = '', query = ''] = /^([^?]*)\/(\?.*)?$/.exec(req.url) ?? [];
  res.writeHead(req.method === 'GET' ? 301 : 307, { Location: path + query, 'Content-Length': 0 }).end();
}

/**
 * Normalizes a path: `/t/app/a%2Fb` means `/t/app/a/b`. Decodes it once, and encodes what Express decodes again in
 * parameters.
 */
function decodePath(req: Request): void {
  const [, path = '', query = ''] = /^([^?]*)(\?.*)?$/s.exec(req.url) ?? [];
  if (!path.includes('%')) return;
  try {
    req.url = decodeURIComponent(path).split('/').map(encodeURIComponent).join('/') + query;
  } catch {
    throw new FnError('badRequest', { params: { reason: 'the path is not well encoded' } });
  }
}

function plainPath(req: Request): string {
  return decodeURIComponent(req.path);
}

function labelsOf(res: Response): RequestLabels {
  return res.locals.labels as RequestLabels;
}
