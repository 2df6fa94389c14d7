import { bytes, choice, duration, integer, KIB, list, type SettingsOf } from '@fnfleet/core';

/** Settings of an HTTP port, the same for every role that has one. */
export const httpSettings = {
  maxRequestBytes: bytes('FN_MAX_REQUEST_SIZE', {
    default: 0,
    doc: 'Maximum size of a request body, also of a chunked one. 0: no limit.',
  }),
  maxRequestHeaderBytes: integer('FN_MAX_REQUEST_HEADER_SIZE', {
    default: 32 * KIB,
    min: 256,
    max: 512 * KIB,
    doc: 'Maximum size of a request head in bytes, including the URL; it is sent to the runner in one message together with the function. A larger one is answered with 431. Each connection can hold this much memory before there is a request.',
  }),
  headerReadTimeoutMs: duration('FN_REQUEST_HEADER_READ_TIMEOUT', {
    default: 10_000,
    doc: 'Time limit for receiving a request head, and for the TLS handshake before it. A late one is answered with 408. 0: no limit.',
  }),
  stallTimeoutMs: duration('FN_HTTP_STALL_TIMEOUT', {
    default: 60_000,
    doc: 'Maximum time without progress: a client that sends nothing of an incomplete body gets 408, and one that reads nothing of a pending response is disconnected. 0: no limit.',
  }),
  bodyReadTimeoutMs: duration('FN_REQUEST_BODY_READ_TIMEOUT', {
    default: 0,
    doc: 'Time limit for receiving a whole request, head and body, even if it makes steady progress. 0: no limit.',
  }),
  responseWriteTimeoutMs: duration('FN_RESPONSE_WRITE_TIMEOUT', {
    default: 0,
    doc: 'Time limit from the arrival of a request head to the end of its response; then the connection is closed. 0: no limit.',
  }),
  idleTimeoutMs: duration('FN_HTTP_IDLE_TIMEOUT', {
    default: 120_000,
    doc: 'Time that an idle connection stays open between two requests. Use a longer time than the gateway in front does, which could otherwise send on a connection that is being closed. 0: no limit.',
  }),
  maxConnections: integer('FN_HTTP_MAX_CONNECTIONS', {
    default: 10_000,
    min: 1,
    doc: 'Maximum number of open connections. Beyond it, a connection without a request so far is closed to make room for a new one, then one between two requests; if all wait for responses, the new one is closed.',
  }),
  clientCerts: choice('FN_HTTP_CLIENT_CERTS', ['required', 'optional'], {
    default: 'required',
    doc: 'With TLS: whether callers need a client certificate. `optional` is for a public endpoint: functions can be called without one, operator routes cannot.',
  }),
  corsOrigins: list('FN_API_CORS_ORIGINS', {
    default: [],
    doc: 'Origins of web pages that may call this node, and use operator routes if no token is configured; `*` as the first item allows all. Unset: CORS is off.',
  }),
  allowedHosts: list('FN_ALLOWED_HOSTS', {
    default: [],
    doc: 'Host names, without port, under which a node without TLS may be called. Always allowed: IP addresses, names without a dot or ending in `.localhost`, `.local`, `.internal` or `.svc`, and the name of its host. `*.fn.example`: all subdomains; `*`: any, which permits DNS rebinding by web pages.',
  }),
  corsHeaders: list('FN_API_CORS_HEADERS', {
    default: ['Origin', 'Content-Length', 'Content-Type'],
    doc: 'Request headers that web pages of these origins may send.',
  }),
} as const;

export type HttpSettings = SettingsOf<typeof httpSettings>;

/** The settings that the HTTP server enforces itself. */
const LIMITS = [
  'maxRequestHeaderBytes',
  'headerReadTimeoutMs',
  'stallTimeoutMs',
  'bodyReadTimeoutMs',
  'responseWriteTimeoutMs',
  'idleTimeoutMs',
  'maxConnections',
] as const;

export type HttpLimits = Pick<HttpSettings, (typeof LIMITS)[number]>;

/** Fills in defaults for missing settings. */
export function completeLimits(given: Partial<HttpLimits>): HttpLimits {
  const limits: Partial<Record<(typeof LIMITS)[number], number>> = {};
  for (const name of LIMITS) limits[name] = given[name] ?? httpSettings[name].fallback();
  return limits as HttpLimits;
}
