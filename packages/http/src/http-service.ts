import { type IncomingMessage, type RequestListener, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  type Clock,
  Deferred,
  type DrainResult,
  errorBody,
  FnError,
  InflightTracker,
  LONG_AGO,
  type Logger,
  later,
  Once,
  type Service,
  silentLogger,
  systemClock,
  TurnoverMap,
} from '@fnfleet/core';
import type { TlsIdentity } from '@fnfleet/tls';
import { takeAbsoluteForm } from './absolute-form.js';
import { JSON_TYPE, sendError } from './answers.js';
import { awaitsContinue, expectContinue } from './expected-continue.js';
import { MAX_HEADERS, newLimitedServer } from './limited-server.js';
import { whenClosed } from './response-close.js';
import { completeLimits, type HttpLimits } from './settings.js';

export interface HttpServiceOptions {
  readonly handler: RequestListener;
  readonly host: string;
  /** 0 selects a free port, which `address` reports. */
  readonly port: number;
  /** Share the port with other processes; the kernel distributes connections among them. Linux only. */
  readonly sharesPort?: boolean;
  /** Missing settings have their defaults. */
  readonly limits?: Partial<HttpLimits>;
  /**
   * Makes the port serve HTTPS and request client certificates. It accepts any of them: AccessGuard decides for each
   * request, so that health checks need no certificate.
   */
  readonly tls?: TlsIdentity;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

export interface HttpAddress {
  readonly host: string;
  readonly port: number;
  /** `http://host:port`, for a client on this machine. */
  readonly url: string;
}

/**
 * The lifecycle of one HTTP port. It starts to listen at construction; `ready` rejects if that fails.
 *
 * H1  Drain lets requests in progress finish; it closes idle connections at once, and busy ones after their response.
 * H2  Invalid HTTP is answered with a clear error, and only its own connection is closed.
 * H3  A silent client cannot hold a connection: one that stops sending its request or reading its response is
 *     disconnected. One that waits for its response is not.
 * H4  At the connection limit, a connection without a request so far is closed to make room, then one between two
 *     requests. Connections that wait for a response stay.
 * H5  Pipelined requests of a connection start one after the other, each when the previous one has been answered. Those
 *     that have not started when the client disconnects, or behind a response that closes the connection, never do.
 * H6  A client that waits for `100 Continue` is told to send its body when somebody reads it, and not if the request is refused before.
 */
export class HttpService implements Service {
  readonly ready: Promise<void>;
  private readonly server: Server;
  private readonly log: Logger;
  private readonly clock: Clock;
  private readonly inflight: InflightTracker;
  private readonly limits: HttpLimits;
  /** Incomplete responses: the first is in progress, the others belong to pipelined requests. */
  private readonly current = new WeakMap<Duplex, ServerResponse[]>();
  /** Connections by remote address and port, in order of arrival. */
  private readonly guests = new TurnoverMap<string, Guest>();
  private fullSaid = LONG_AGO;
  private drained: Promise<DrainResult> | undefined;
  private readonly closing = new Once(() => this.closeOnce());

  constructor(private readonly options: HttpServiceOptions) {
    this.log = options.logger ?? silentLogger;
    this.clock = options.clock ?? systemClock;
    this.inflight = new InflightTracker(this.clock);
    this.limits = completeLimits(options.limits ?? {});
    this.server = newLimitedServer(this.limits, options.tls);
    this.server.on('connection', (socket: Socket) => this.accept(socket));
    this.server.on('request', (req, res) => this.enqueue(req, res));
    this.server.on('checkContinue', (req, res) => {
      expectContinue(req, res);
      this.enqueue(req, res);
    });
    this.server.on('clientError', (error, socket) => this.refuse(error, socket));
    this.server.on('timeout', (socket) => this.onSilence(socket));

    const { port, host, sharesPort: reusePort = false } = options;
    const listening = new Deferred<void>();
    const failed = (cause: Error) => {
      const where = `${host}:${port} (FN_PORT, FN_BIND_ADDRESS)`;
      listening.reject(new Error(`cannot listen on ${where}: ${cause.message}`, { cause }));
    };
    this.server.once('error', failed);
    this.server.listen({ port, host, reusePort }, () => {
      this.server.off('error', failed);
      this.server.on('error', (error) => this.log.error('http port failed', { error }));
      listening.resolve();
    });
    this.ready = listening.promise;
    // Without a listener, a rejection of `ready` would end the process.
    this.ready.catch(() => undefined);
  }

  /** The address of the port. Throws before `ready` has resolved. */
  get address(): HttpAddress {
    const bound = this.server.address() as AddressInfo | null;
    if (bound === null) throw new Error('the http port is not open');
    const host = bound.address === '0.0.0.0' || bound.address === '::' ? '127.0.0.1' : bound.address;
    const authority = host.includes(':') ? `[${host}]` : host;
    return { host, port: bound.port, url: `${this.options.tls ? 'https' : 'http'}://${authority}:${bound.port}` };
  }

  /** Requests that have started and are not answered completely. */
  get inFlight(): number {
    return this.inflight.size;
  }

  /** All open connections. */
  get connections(): number {
    return this.guests.size;
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

  private async closeOnce(): Promise<void> {
    await this.ready.catch(() => undefined);
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    const gone = [...this.guests.values()].map(
      ({ socket }) => new Promise((resolve) => socket.once('close', resolve).destroy()),
    );
    await Promise.all([closed, ...gone]);
  }

  /** H5 */
  private enqueue(req: IncomingMessage, res: ServerResponse): void {
    const { socket } = req;
    // Node continues with requests that it has already parsed, even after the connection is closed.
    if (socket.destroyed) return;
    const answers = this.answersOf(socket);
    answers.push(res);
    if (answers.length > MAX_PIPELINED) socket.destroy();
    else if (answers.length === 1) this.begin(req, res, answers);
  }

  private begin(req: IncomingMessage, res: ServerResponse, answers: ServerResponse[]): void {
    const { socket } = req;
    this.inflight.begin();
    const { responseWriteTimeoutMs } = this.limits;
    const cut = responseWriteTimeoutMs > 0 ? this.clock.after(responseWriteTimeoutMs, () => res.destroy()) : undefined;
    if (this.drained) res.setHeader('Connection', 'close');
    whenClosed(res, () => {
      // Only the first of them has begun.
      answers.shift();
      cut?.cancel();
      const [next] = answers;
      // Start the next request before this one is removed, so that drain does not see an idle port in between.
      if (next !== undefined && socket.writable) this.begin(next.req, next, answers);
      this.inflight.end();
      // H1: the connection becomes idle shortly after its response.
      if (this.drained) setImmediate(() => this.server.closeIdleConnections());
    });
    if (!takeAbsoluteForm(req)) refuseHead(res, new FnError('badRequest', { params: { reason: NO_TARGET } }));
    else if (req.rawHeaders.length > 2 * MAX_HEADERS) refuseHead(res, new FnError('headersTooBig'));
    else this.options.handler(req, res);
  }

  /** H3. Called when a connection has made no progress for the allowed time. */
  private onSilence(socket: Socket): void {
    const answers = [...(this.current.get(socket) ?? [])];
    const { idleTimeoutMs, stallTimeoutMs } = this.limits;
    if (answers.length === 0 && idleTimeoutMs > 0) socket.destroy();
    else if (socket.writableLength > 0) socket.destroy();
    else if (answers.some(({ req }) => isLate(req))) this.refuse(new LateBody(), socket);
    else socket.setTimeout(stallTimeoutMs);
  }

  private answersOf(socket: Socket): ServerResponse[] {
    const known = this.current.get(socket);
    if (known !== undefined) return known;
    const answers: ServerResponse[] = [];
    this.current.set(socket, answers);
    const guest = this.guests.get(addressOf(socket));
    if (guest) guest.answers = answers;
    return answers;
  }

  /** H4. With TLS this is the underlying socket, because Node tracks connections only after the handshake. */
  private accept(socket: Socket): void {
    socket.on('error', () => undefined); // `close` follows
    if (this.guests.size >= this.limits.maxConnections && !this.makeRoom()) return void socket.destroy();
    const guest: Guest = { socket, answers: undefined };
    const address = addressOf(socket);
    this.guests.set(address, guest);
    socket.once('close', () => {
      if (this.guests.get(address) === guest) this.guests.delete(address);
    });
  }

  private makeRoom(): boolean {
    const guests = [...this.guests];
    const found = guests.find(([, { answers }]) => answers === undefined) ?? guests.find(([, guest]) => isIdle(guest));
    const now = this.clock.now();
    if (now >= later(this.fullSaid, FULL_SAID_EVERY_MS)) {
      this.fullSaid = now;
      const closed = found ? 'the oldest without a pending response' : 'the new one';
      this.log.warn('too many connections (FN_HTTP_MAX_CONNECTIONS)', { open: this.guests.size, closed });
    }
    if (found === undefined) return false;
    const [address, { socket }] = found;
    // Free its place at once, because its `close` event comes later.
    this.guests.delete(address);
    socket.destroy();
    return true;
  }

  /** H2 */
  private refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
    // A client with a complete pending request would mistake this for its response.
    const answers = [...(this.current.get(socket) ?? [])];
    const mistaken = answers.some(({ headersSent, req }) => headersSent || req.complete);
    // Nothing can be sent before the TLS handshake is complete.
    const secured = (socket as { secureConnecting?: boolean }).secureConnecting !== true;
    if (error.code === 'ECONNRESET' || !socket.writable || mistaken || !secured) {
      socket.destroy();
      return;
    }
    const { status, message } = protocolError(error);
    this.log.debug('rejected an invalid request', { code: error.code });
    const body = errorBody(message);
    socket.end(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: ${JSON_TYPE}\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
      () => socket.destroy(),
    );
  }
}

interface Guest {
  readonly socket: Socket;
  /** Its pending responses; undefined if it has not sent a request so far. */
  answers: ServerResponse[] | undefined;
}

/** Whether nothing of the rest of its body comes. */
function isLate(req: IncomingMessage): boolean {
  return !req.complete && req.readableLength === 0 && !awaitsContinue(req);
}

function isIdle({ answers }: Guest): boolean {
  return answers === undefined || answers.length === 0;
}

/** Key of a connection. With TLS it has two sockets, which share this key. */
function addressOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** The error code that Node uses for a late request. */
const LATE = 'ERR_HTTP_REQUEST_TIMEOUT';
const FULL_SAID_EVERY_MS = 60_000;
/** Maximum requests of a connection: one in progress, the others pipelined. */
const MAX_PIPELINED = 32;

const NO_TARGET = 'the target is neither a path nor an http:// URL without a user';
const NOT_ENCODED = 'the path has characters that have to be percent-encoded, as in /gr%C3%BC%C3%9Fe';

class LateBody extends Error {
  readonly code = LATE;
}

function refuseHead(res: ServerResponse, error: FnError): void {
  res.setHeader('Connection', 'close');
  sendError(res, error);
}

function protocolError(error: NodeJS.ErrnoException & { reason?: unknown }): FnError {
  if (error.code === 'HPE_HEADER_OVERFLOW') return new FnError('headersTooBig');
  if (error.code === LATE) return new FnError('requestTimeout');
  if (error.code === 'HPE_INVALID_URL') return new FnError('badRequest', { params: { reason: NOT_ENCODED } });
  const reason = typeof error.reason === 'string' && error.reason !== '' ? error.reason : error.message;
  return new FnError('badRequest', { params: { reason } });
}
