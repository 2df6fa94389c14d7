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
  TurnoverSet,
} from '@fnfleet/core';
import type { TlsIdentity } from '@fnfleet/tls';
import { takeAbsoluteForm } from './absolute-form.js';
import { JSON_TYPE, sendError } from './answers.js';
import { MAX_HEADERS, newLimitedServer } from './limited-server.js';
import { completeLimits, type HttpLimits } from './settings.js';

export interface HttpServiceOptions {
  readonly handler: RequestListener;
  readonly host: string;
  /** 0 takes a free port; `address` tells which. */
  readonly port: number;
  /** Other processes listen on the same port; the kernel deals connections out among them. Linux only. */
  readonly sharesPort?: boolean;
  /** What is not given has the default of its setting. */
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
 * H3  No client holds a connection by silence: one that owes bytes, or takes none, is cut. One that waits for its answer is not.
 * H4  When there are too many connections, one that has asked for nothing makes room for a new one, then one between two
 *     requests. Those that wait for an answer keep their places.
 * H5  Requests of one connection are begun one after the other, each when the one before it has been answered. What a
 *     client has sent ahead when it leaves is not begun.
 */
export class HttpService implements Service {
  readonly ready: Promise<void>;
  private readonly server: Server;
  private readonly log: Logger;
  private readonly clock: Clock;
  private readonly inflight: InflightTracker;
  private readonly limits: HttpLimits;
  /** Answers that are not complete: the first is in hand, those behind it are of requests that were sent ahead. */
  private readonly current = new WeakMap<Duplex, TurnoverSet<ServerResponse>>();
  /** By the address and port of their other end, in the order in which they came. */
  private readonly guests = new TurnoverMap<string, Guest>();
  private fullSaid = LONG_AGO;
  private drained: Promise<DrainResult> | undefined;
  private readonly closing = new Once(() => this.shut());

  constructor(private readonly options: HttpServiceOptions) {
    this.log = options.logger ?? silentLogger;
    this.clock = options.clock ?? systemClock;
    this.inflight = new InflightTracker(this.clock);
    this.limits = completeLimits(options.limits ?? {});
    this.server = newLimitedServer(this.limits, options.tls);
    this.server.on('connection', (socket: Socket) => this.accept(socket));
    this.server.on('request', (req, res) => this.enqueue(req, res));
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

  /** Requests that were begun and are not answered completely. */
  get inFlight(): number {
    return this.inflight.size;
  }

  /** Connections that are open, whatever they are used for. */
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

  private async shut(): Promise<void> {
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
    // Node goes on with what it has read, even when the connection is closed.
    if (socket.destroyed) return;
    const answers = this.answersOf(socket).add(res);
    if (answers.size > MAX_PIPELINED) socket.destroy();
    else if (answers.size === 1) this.begin(req, res, answers);
  }

  private begin(req: IncomingMessage, res: ServerResponse, answers: TurnoverSet<ServerResponse>): void {
    const { socket } = req;
    const leave = this.inflight.enter();
    const { responseWriteTimeoutMs } = this.limits;
    const cut = responseWriteTimeoutMs > 0 ? this.clock.after(responseWriteTimeoutMs, () => res.destroy()) : undefined;
    if (this.drained) res.setHeader('Connection', 'close');
    res.once('close', () => {
      answers.delete(res);
      cut?.cancel();
      const [next] = answers;
      // Before this one is left: drain must not take the port for idle in between.
      if (next !== undefined && !socket.destroyed) this.begin(next.req, next, answers);
      leave();
      // H1: the connection becomes idle a moment after its answer.
      if (this.drained) setImmediate(() => this.server.closeIdleConnections());
    });
    if (!takeAbsoluteForm(req)) refuseHead(res, new FnError('badRequest', { params: { reason: NO_TARGET } }));
    else if (req.rawHeaders.length > 2 * MAX_HEADERS) refuseHead(res, new FnError('headersTooBig'));
    else this.options.handler(req, res);
  }

  /** H3. Nothing has come or gone for as long as the connection is allowed. */
  private onSilence(socket: Socket): void {
    const answers = [...(this.current.get(socket) ?? [])];
    const { idleTimeoutMs, stallTimeoutMs } = this.limits;
    if (answers.length === 0 && idleTimeoutMs > 0) socket.destroy();
    else if (socket.writableLength > 0) socket.destroy();
    else if (answers.some(({ req }) => !req.complete && req.readableLength === 0)) this.refuse(new LateBody(), socket);
    else socket.setTimeout(stallTimeoutMs);
  }

  private answersOf(socket: Socket): TurnoverSet<ServerResponse> {
    const known = this.current.get(socket);
    if (known !== undefined) return known;
    const answers = new TurnoverSet<ServerResponse>();
    this.current.set(socket, answers);
    const guest = this.guests.get(addressOf(socket));
    if (guest) guest.answers = answers;
    return answers;
  }

  /** H4. With TLS it is the socket below: Node's own list begins when the handshake is done. */
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
      const closed = found ? 'the oldest that waits for no answer' : 'the new one';
      this.log.warn('too many connections (FN_HTTP_MAX_CONNECTIONS)', { open: this.guests.size, closed });
    }
    if (found === undefined) return false;
    const [address, { socket }] = found;
    // Its place is free at once, though its `close` comes later.
    this.guests.delete(address);
    socket.destroy();
    return true;
  }

  /** H2 */
  private refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
    // Whoever waits for the answer of a request that is complete would take this for it.
    const answers = [...(this.current.get(socket) ?? [])];
    const mistaken = answers.some(({ headersSent, req }) => headersSent || req.complete);
    // Whoever has not finished its TLS handshake cannot be told.
    const secured = (socket as { secureConnecting?: boolean }).secureConnecting !== true;
    if (error.code === 'ECONNRESET' || !socket.writable || mistaken || !secured) {
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

interface Guest {
  readonly socket: Socket;
  /** Those that it waits for; undefined: it has not asked for anything yet. */
  answers: TurnoverSet<ServerResponse> | undefined;
}

function isIdle({ answers }: Guest): boolean {
  return answers === undefined || answers.size === 0;
}

/** With TLS there are two sockets of a connection, with this in common. */
function addressOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** As Node reports a request that is late. */
const LATE = 'ERR_HTTP_REQUEST_TIMEOUT';
const FULL_SAID_EVERY_MS = 60_000;
/** Requests that a connection may have at a time: one in hand, the others sent ahead. */
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
