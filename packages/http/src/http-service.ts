import { createServer, type RequestListener, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  type Clock,
  Deferred,
  type DrainResult,
  errorBody,
  FnError,
  InflightTracker,
  keepCurrent,
  type Logger,
  Once,
  type Service,
  serverTlsOptions,
  silentLogger,
  systemClock,
  type TlsIdentity,
} from '@fnfleet/core';
import { JSON_TYPE } from './answers.js';
import type { HttpLimits } from './settings.js';

export interface HttpServiceOptions {
  readonly handler: RequestListener;
  readonly host: string;
  /** 0 takes a free port; `address` tells which. */
  readonly port: number;
  readonly limits?: Partial<HttpLimits>;
  /**
   * Given: the port speaks HTTPS, and asks for certificates. It refuses none: that is up to whoever answers (AccessGuard),
   * so that health checks need none.
   */
  readonly tls?: TlsIdentity;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

export interface HttpAddress {
  readonly host: string;
  readonly port: number;
  /** `http://host:port`, as a client on this machine would write it. */
  readonly url: string;
}

/**
 * The life of one HTTP port. It listens from construction; `ready` rejects when it cannot.
 *
 * H1  A request in hand is finished by drain; an idle connection is closed at once, and a busy one after its answer.
 * H2  What is not HTTP is answered with a clear error and ends its own connection only.
 */
export class HttpService implements Service {
  readonly ready: Promise<void>;
  private readonly server: Server;
  private readonly log: Logger;
  private readonly clock: Clock;
  private readonly inflight: InflightTracker;
  private readonly current = new WeakMap<Duplex, ServerResponse>();
  private drained: Promise<DrainResult> | undefined;
  private readonly closing = new Once(() => this.shut());

  constructor(private readonly options: HttpServiceOptions) {
    this.log = options.logger ?? silentLogger;
    this.clock = options.clock ?? systemClock;
    this.inflight = new InflightTracker(this.clock);
    this.server = newServer(options);
    this.server.on('request', (req, res) => {
      this.track(res);
      options.handler(req, res);
    });
    this.server.on('clientError', (error, socket) => this.refuse(error, socket));

    const listening = new Deferred<void>();
    const failed = (cause: Error) => {
      const where = `${options.host}:${options.port} (FN_PORT, FN_BIND_ADDRESS)`;
      listening.reject(new Error(`cannot listen on ${where}: ${cause.message}`, { cause }));
    };
    this.server.once('error', failed);
    this.server.listen(options.port, options.host, () => {
      this.server.off('error', failed);
      this.server.on('error', (error) => this.log.error('http port failed', { error }));
      listening.resolve();
    });
    this.ready = listening.promise;
    // Whoever does not await `ready` still must not bring the process down.
    this.ready.catch(() => undefined);
  }

  /** Where the port is; defined from `ready` on. */
  get address(): HttpAddress {
    const bound = this.server.address() as AddressInfo | null;
    if (bound === null) throw new Error('the http port is not open');
    const host = bound.address === '0.0.0.0' || bound.address === '::' ? '127.0.0.1' : bound.address;
    const authority = host.includes(':') ? `[${host}]` : host;
    return { host, port: bound.port, url: `${this.options.tls ? 'https' : 'http'}://${authority}:${bound.port}` };
  }

  /** Requests that have not been answered completely. */
  get inFlight(): number {
    return this.inflight.size;
  }

  drain({ graceMs }: { graceMs: number }): Promise<DrainResult> {
    this.drained ??= this.drainOnce(graceMs);
    return this.drained;
  }

  close(): Promise<void> {
    return this.closing.call();
  }

  private async drainOnce(graceMs: number): Promise<DrainResult> {
    this.server.close();
    this.server.closeIdleConnections();
    const result = await this.inflight.whenIdle(graceMs);
    const cutShort = this.closing.called;
    await this.close();
    return cutShort ? 'expired' : result;
  }

  private async shut(): Promise<void> {
    await this.ready.catch(() => undefined);
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.server.closeAllConnections();
    await closed;
  }

  private track(res: ServerResponse): void {
    const leave = this.inflight.enter();
    const { socket } = res;
    const { responseWriteTimeoutMs = 0 } = this.options.limits ?? {};
    const cut = responseWriteTimeoutMs > 0 ? this.clock.after(responseWriteTimeoutMs, () => res.destroy()) : undefined;
    if (socket) this.current.set(socket, res);
    if (this.drained) res.setHeader('Connection', 'close');
    res.once('close', () => {
      if (socket) this.current.delete(socket);
      cut?.cancel();
      leave();
      // H1: the connection becomes idle a moment after its answer.
      if (this.drained) setImmediate(() => this.server.closeIdleConnections());
    });
  }

  /** H2 */
  private refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
    const answerBegun = this.current.get(socket)?.headersSent ?? false;
    if (error.code === 'ECONNRESET' || !socket.writable || answerBegun) {
      socket.destroy();
      return;
    }
    const { status, message } = protocolError(error);
    this.log.debug('refused what is not a request', { code: error.code });
    const body = errorBody(message);
    socket.end(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: ${JSON_TYPE}\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
      () => socket.destroy(),
    );
  }
}

function newServer({ limits = {}, tls }: HttpServiceOptions): Server {
  const { headerReadTimeoutMs = 0, bodyReadTimeoutMs = 0, idleTimeoutMs = 0 } = limits;
  const readTimeouts = [headerReadTimeoutMs, bodyReadTimeoutMs].filter((timeout) => timeout > 0);
  const options = {
    maxHeaderSize: limits.maxRequestHeaderBytes ?? 1_048_576,
    // Node insists that a head is not allowed more time than its whole request.
    headersTimeout: headerReadTimeoutMs > 0 ? Math.min(...readTimeouts) : 0,
    requestTimeout: bodyReadTimeoutMs,
    connectionsCheckingInterval: Math.min(30_000, ...readTimeouts),
    keepAliveTimeout: idleTimeoutMs,
  };
  if (tls === undefined) return createServer(options);
  const server = createTlsServer({ ...options, ...serverTlsOptions(tls), rejectUnauthorized: false });
  keepCurrent(server, tls);
  return server;
}

function protocolError(error: NodeJS.ErrnoException & { reason?: unknown }): FnError {
  if (error.code === 'HPE_HEADER_OVERFLOW') return new FnError('headersTooBig');
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') return new FnError('requestTimeout');
  const reason = typeof error.reason === 'string' && error.reason !== '' ? error.reason : error.message;
  return new FnError('badRequest', { params: { reason } });
}
