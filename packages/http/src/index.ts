export { type Access, AccessGuard, type AccessOptions, openGuard } from './access/access-guard.js';
export { logFailure, sendEmpty, sendError, sendJson } from './answers.js';
export { type CorsPolicy, newCorsPolicy } from './cors.js';
export { type HttpAddress, HttpService, type HttpServiceOptions } from './http-service.js';
export { createNodeApp, type NodeAppOptions } from './node-app.js';
export { checkDeclaredLength, discardRest, readBody } from './request-body.js';
export { measureRequest, type RequestLabels } from './request-metrics.js';
export type { Readiness, Route, RouteHandler } from './routes.js';
export { type HttpLimits, type HttpSettings, httpSettings } from './settings.js';
