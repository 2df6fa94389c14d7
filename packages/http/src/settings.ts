import { bytes, choice, duration, integer, KIB, list, type SettingsOf } from '@fnfleet/core';

/** Settings of an HTTP port, the same on every node that has one. */
export const httpSettings = {
  maxRequestBytes: bytes('FN_MAX_REQUEST_SIZE', {
    default: 0,
    doc: 'Largest request body, counted also when it comes in chunks. 0: no limit.',
  }),
  maxRequestHeaderBytes: integer('FN_MAX_REQUEST_HEADER_SIZE', {
    default: 32 * KIB,
    min: 256,
    max: 512 * KIB,
    doc: 'In bytes. Largest request head, URL included; it travels to the runner in one message with the function. A larger one is answered with 431. Each connection can have so much in memory before there is a request.',
  }),
  headerReadTimeoutMs: duration('FN_REQUEST_HEADER_READ_TIMEOUT', {
    default: 10_000,
    doc: 'Time for a request head to arrive, and before it for a TLS handshake. A late one is answered with 408. 0: no limit.',
  }),
  stallTimeoutMs: duration('FN_HTTP_STALL_TIMEOUT', {
    default: 60_000,
    doc: 'Time in which a client must send some of a body that is not complete (else 408), or take some of an answer that waits for it (else its connection is cut). 0: no limit.',
  }),
  bodyReadTimeoutMs: duration('FN_REQUEST_BODY_READ_TIMEOUT', {
    default: 0,
    doc: 'Time for a whole request, head and body, to arrive, however steadily it does. 0: no limit.',
  }),
  responseWriteTimeoutMs: duration('FN_RESPONSE_WRITE_TIMEOUT', {
    default: 0,
    doc: 'Time from the arrival of a request head to the end of its answer; then the connection is cut. 0: no limit.',
  }),
  idleTimeoutMs: duration('FN_HTTP_IDLE_TIMEOUT', {
    default: 120_000,
    doc: 'Time a connection may stay open between two requests. Longer than that of a gateway in front, which would send on a connection that is being closed. 0: no limit.',
  }),
  maxConnections: integer('FN_HTTP_MAX_CONNECTIONS', {
    default: 10_000,
    min: 1,
    doc: 'Connections that may be open at a time. Beyond, one that has not asked for anything is closed for a new one, then one between two requests; if all wait for answers, the new one.',
  }),
  clientCerts: choice('FN_HTTP_CLIENT_CERTS', ['required', 'optional'], {
    default: 'required',
    doc: 'With TLS: whether callers show a certificate. `optional` is for a public front door: functions may be called without, what is for operators may not.',
  }),
  corsOrigins: list('FN_API_CORS_ORIGINS', {
    default: [],
    doc: 'Origins of web pages that may call this node, and act as operators where that takes no token; `*` as the first item allows all. Unset: CORS is off.',
  }),
  allowedHosts: list('FN_ALLOWED_HOSTS', {
    default: [],
    doc: 'Names, without port, that a node without TLS is reached by, beside addresses, names without a dot or ending in `.localhost`, `.local`, `.internal` or `.svc`, and that of its host. `*.fn.example`: all below it; `*`: any, and a web page can have its own name lead here.',
  }),
  corsHeaders: list('FN_API_CORS_HEADERS', {
    default: ['Origin', 'Content-Length', 'Content-Type'],
    doc: 'Request headers that those pages may send.',
  }),
} as const;

export type HttpSettings = SettingsOf<typeof httpSettings>;

/** The part that the server itself keeps to. */
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

/** What is not given has the default of its setting. */
export function completeLimits(given: Partial<HttpLimits>): HttpLimits {
  const limits: Partial<Record<(typeof LIMITS)[number], number>> = {};
  for (const name of LIMITS) limits[name] = given[name] ?? httpSettings[name].fallback();
  return limits as HttpLimits;
}
