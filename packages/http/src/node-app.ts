import type { IncomingMessage, ServerResponse } from 'node:http';
import { FnError, type Logger, silentLogger, VERSION } from '@fnfleet/core';
import express, { type Express, type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import { type AccessGuard, openGuard } from './access/access-guard.js';
import { sendError, sendJson } from './answers.js';
import { newCorsPolicy } from './cors.js';
import { logFailure } from './failure-log.js';
import { healthRoutes, type Readiness } from './health-routes.js';
import { checkDeclaredLength } from './request-body.js';
import { measureRequest, type RequestLabels } from './request-metrics.js';
import type { Route } from './route.js';
import type { HttpSettings } from './settings.js';

export interface NodeAppOptions {
  readonly routes: readonly Route[];
  readonly settings?: Partial<Pick<HttpSettings, 'maxRequestBytes' | 'corsOrigins' | 'corsHeaders' | 'allowedHosts'>>;
  /** Answers `GET /metrics`; without it the path does not exist. */
  readonly metrics?: (req: IncomingMessage, res: ServerResponse) => void | Promise<void>;
  /** Answers `GET /readyz`; a node that answers at all is ready unless given. */
  readonly readiness?: () => Readiness;
  /** Run in order around every route, and around the answers to unknown paths. */
  readonly middleware?: readonly RequestHandler[];
  /** Decides who is answered; everybody but web pages from elsewhere unless given. Asked after the middleware, before the route. */
  readonly guard?: AccessGuard;
  readonly logger?: Logger;
}

/**
 * The Express application of a node: its own routes next to `/`, `/version`, `/healthz`, `/readyz` and `/metrics`.
 *
 * Routing is exact: case counts, slashes are never collapsed, HEAD and OPTIONS are methods like any other, and
 * percent-encoding is undone before a route is looked for. One trailing slash too many is redirected.
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

/** One Express route a path, so that a path known for other methods can be told from an unknown one. */
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

/** `/t/app/a%2Fb` means `/t/app/a/b`: decoded once, and encoded again only for what Express decodes in parameters. */
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
