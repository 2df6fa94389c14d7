import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { keepCurrent, serverTlsOptions, type TlsIdentity } from '@fnfleet/tls';
import type { HttpLimits } from './settings.js';

/** Maximum number of headers, beyond which a request is refused; Node would silently drop the rest. */
export const MAX_HEADERS = 1000;

const MAX_CHECK_INTERVAL_MS = 30_000;

/** An HTTP server with limits on memory and time for each connection. */
export function newLimitedServer(limits: HttpLimits, tls: TlsIdentity | undefined): Server {
  const { headerReadTimeoutMs, bodyReadTimeoutMs } = limits;
  const readTimeouts = [headerReadTimeoutMs, bodyReadTimeoutMs].filter((timeout) => timeout > 0);
  const options = {
    maxHeaderSize: limits.maxRequestHeaderBytes,
    // Node requires that the time limit for the head does not exceed that for the whole request.
    headersTimeout: headerReadTimeoutMs > 0 ? Math.min(...readTimeouts) : 0,
    requestTimeout: bodyReadTimeoutMs,
    // Node checks for late requests only at this interval.
    connectionsCheckingInterval: Math.min(
      MAX_CHECK_INTERVAL_MS,
      ...readTimeouts.map((timeout) => Math.ceil(timeout / 4)),
    ),
    keepAliveTimeout: limits.idleTimeoutMs,
  };
  const server = tls === undefined ? createServer(options) : newTlsServer(options, tls, headerReadTimeoutMs);
  server.maxHeadersCount = MAX_HEADERS + 1;
  server.timeout = limits.stallTimeoutMs;
  return server;
}

function newTlsServer(options: object, tls: TlsIdentity, handshakeTimeoutMs: number): Server {
  const handshake = handshakeTimeoutMs > 0 ? { handshakeTimeout: handshakeTimeoutMs } : {};
  const server = createTlsServer({ ...options, ...handshake, ...serverTlsOptions(tls), rejectUnauthorized: false });
  keepCurrent(server, tls);
  return server;
}
