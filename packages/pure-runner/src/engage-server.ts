import http2 from 'node:http2';
import type { AddressInfo, Server, Socket } from 'node:net';
import { type Clock, isLoopback, type Logger } from '@fnfleet/core';
import { DeliveryReceipts, Pulse } from '@fnfleet/protocol';
import { type MemberCheck, newMemberServer } from './member-server.js';

/** @param receipts undefined where the stream does not cross a network */
export type StreamListener = (
  stream: http2.ServerHttp2Stream,
  headers: http2.IncomingHttpHeaders,
  receipts: DeliveryReceipts | undefined,
) => void;

export interface EngageServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** TLS, and who may connect; plain text unless given. */
  readonly tls?: MemberCheck;
  /** Streams one connection may have open. */
  readonly maxStreams: number;
  readonly onStream: StreamListener;
  /** A balancer that owes a sign of life for so long is taken for lost, milliseconds. */
  readonly silenceMs: number;
  readonly clock: Pick<Clock, 'after'>;
  readonly logger: Logger;
}

/**
 * A stream may have this much on its way to a slow function; the connection has room for many such streams, so that one
 * of them does not hold up the others.
 */
const STREAM_WINDOW_BYTES = 128 * 1024;
const CONNECTION_WINDOW_BYTES = 16 * 1024 * 1024;

/** How often a connection is looked at, milliseconds; or more often where less silence is borne. */
const PULSE_MS = 2_000;

/** Balancers reset the streams of callers who go away; that is no attack. */
const RESETS = { streamResetBurst: 100_000, streamResetRate: 10_000 };

/** The HTTP/2 port of a runner: its connections, from listening to the last goodbye. */
export class EngageServer {
  readonly ready: Promise<void>;
  private readonly http2: http2.Http2Server;
  /** What listens: the HTTP/2 server itself, or the TLS server before it. */
  private readonly server: Server;
  private readonly sessions = new Set<http2.ServerHttp2Session>();
  /** Of those that cross a network. */
  private readonly receipts = new WeakMap<http2.Http2Session, DeliveryReceipts>();
  private readonly sockets = new Set<Socket>();
  private bound: AddressInfo | undefined;

  constructor(private readonly options: EngageServerOptions) {
    const shared = {
      settings: { maxConcurrentStreams: options.maxStreams, initialWindowSize: STREAM_WINDOW_BYTES },
      ...RESETS,
    };
    this.http2 = http2.createServer(shared);
    const { tls } = options;
    this.server = tls ? newMemberServer(tls, (socket) => this.http2.emit('connection', socket)) : this.http2;
    this.server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
    this.http2.on('session', (session: http2.ServerHttp2Session) => this.adopt(session));
    this.http2.on('stream', (stream, headers) => {
      const { session } = stream;
      options.onStream(stream, headers, session && this.receipts.get(session));
    });
    this.http2.on('sessionError', () => undefined); // the session's `close` follows
    this.ready = this.listen();
    this.ready.catch(() => undefined); // whoever waits for it is told
  }

  /** Where it listens, or listened; defined from `ready` on. */
  get address(): AddressInfo {
    if (this.bound === undefined) throw new Error('the runner does not listen yet');
    return this.bound;
  }

  /** Stops listening, tells balancers to go elsewhere, and waits for open streams. Resolves when all are closed. */
  async goodbye(): Promise<void> {
    const closed = [...this.sessions].map(
      (session) =>
        new Promise<void>((resolve) => {
          session.once('close', resolve);
          session.close();
        }),
    );
    await Promise.all([new Promise<void>((resolve) => this.server.close(() => resolve())), ...closed]);
  }

  /** Cuts every connection. */
  cut(): void {
    for (const session of this.sessions) session.destroy();
    // A connection that is not a session yet, or no longer, still holds the port.
    for (const socket of this.sockets) socket.destroy();
  }

  private adopt(session: http2.ServerHttp2Session): void {
    this.sessions.add(session);
    if (crossesNetwork(session.socket)) this.receipts.set(session, new DeliveryReceipts(session));
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    session.on('error', () => undefined);
    const pulse = this.watch(session);
    session.once('close', () => {
      pulse.stop();
      this.sessions.delete(session);
    });
  }

  /** What runs for a balancer that has gone without a word must not occupy containers for ever. */
  private watch(session: http2.ServerHttp2Session): Pulse {
    const { silenceMs, clock, logger } = this.options;
    const { socket } = session;
    const balancer = socket.remoteAddress;
    return new Pulse({
      ping: (answered) => !session.destroyed && session.ping((error) => error ?? answered()),
      bytesRead: () => socket.bytesRead,
      isBusy: () => true,
      everyMs: Math.min(PULSE_MS, silenceMs / 4),
      limitMs: silenceMs,
      onLost: (silentMs) => {
        logger.warn('a balancer has fallen silent; its calls end', { balancer, silentMs });
        session.destroy();
      },
      clock,
    });
  }

  private listen(): Promise<void> {
    const { host, port } = this.options;
    return new Promise((resolve, reject) => {
      this.server.once('error', (error: Error) =>
        reject(new Error(`cannot listen on ${host}:${port} (FN_GRPC_PORT, FN_BIND_ADDRESS): ${error.message}`)),
      );
      this.server.listen(port, host, () => {
        this.bound = this.server.address() as AddressInfo;
        resolve();
      });
    });
  }
}

/** What one process of a machine has sent to another gets there, or the other has ended. */
function crossesNetwork({ remoteAddress, localAddress }: Pick<Socket, 'remoteAddress' | 'localAddress'>): boolean {
  return remoteAddress === undefined || (remoteAddress !== localAddress && !isLoopback(remoteAddress));
}
