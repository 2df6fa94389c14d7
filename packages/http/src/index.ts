export { RETRY_AFTER_SECONDS, sendEmpty, sendError, sendJson } from './answers.js';
export { type CorsPolicy, newCorsPolicy } from './cors.js';
export { discardRest } from './discard-rest.js';
export { logFailure } from './failure-log.js';
export { type HttpAddress, HttpService, type HttpServiceOptions, type TlsMaterial } from './http-service.js';
export { createNodeApp, type NodeAppOptions, type Route, type RouteHandler } from './node-app.js';
export { checkDeclaredLength, readBody } from './request-body.js';
export { measureRequest, type RequestLabels } from './request-metrics.js';
export { type HttpLimits, type HttpSettings, httpSettings } from './settings.js';
