import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { type Clock, isLoopback, type Logger, type Timer, TurnoverMap } from '@fnfleet/core';
import { Connection, DeliveryReceipts, type HeaderList, type Http2Stream, KeepaliveMonitor } from '@fnfleet/protocol';
import { type MemberCheck, newMemberServer } from './member-server.js';

/** One connection of the port. */
export interface PortConnection {
  readonly connection: Connection;
  /** Undefined if the connection does not cross a network. */
  readonly receipts: DeliveryReceipts | undefined;
}

export interface GrpcPortOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** TLS, and who may connect; plain text unless given. */
  readonly tls?: MemberCheck;
  /** Maximum number of open streams per connection. */
  readonly maxStreams: number;
  /** Maximum number of open connections, including those before their handshake; in total and from one address. */
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  /** Called for each new stream; must give it a listener or reset it. */
  readonly onStream: (stream: Http2Stream, head: HeaderList, from: PortConnection) => void;
  /** How long a keepalive PING may stay unanswered before a balancer is considered lost, milliseconds. */
  readonly keepaliveTimeoutMs: number;
  readonly clock: Pick<Clock, 'after'>;
  readonly logger: Logger;
}

/**
 * A stream may have this much data in flight to a slow function. The connection has room for many such streams, so that one of
 * them does not block the others.
 */
const STREAM_WINDOW_BYTES = 128 * 1024;
const CONNECTION_WINDOW_BYTES = 16 * 1024 * 1024;

/** Interval between looks at a connection, milliseconds; shorter if the keepalive timeout is short. */
const KEEPALIVE_CHECK_MS = 2_000;
/** How long a connection may take for the TLS and HTTP/2 handshakes, milliseconds. */
const HANDSHAKE_MS = 10_000;
/** A write may take this multiple of the keepalive timeout: on a slow line, data of others is ahead of it. */
const STUCK_TIMEOUTS = 4;
/** How long a balancer may leave the rest of a complete response unread, milliseconds. */
const STALLED_MS = 300_000;

/** A TCP connection, from its acceptance. */
interface Guest {
  readonly socket: Socket;
  readonly address: string;
  /** Runs until the handshake is complete. */
  handshakeTimer: Timer | undefined;
  connection: Connection | undefined;
  keepalive: KeepaliveMonitor | undefined;
}

/** The HTTP/2 port of a runner and its connections, from listening to the last close. */
export class GrpcPort {
  readonly ready: Promise<void>;
  private readonly server: Server;
  /** By remote address and port, in order of arrival. */
  private readonly guests = new TurnoverMap<string, Guest>();
  private bound: AddressInfo | undefined;
  private refused = 0;

  constructor(private readonly options: GrpcPortOptions) {
    const { tls } = options;
    this.server = tls
      ? newMemberServer(tls, (socket) => this.greet(socket))
      : createServer({ noDelay: true }, (socket) => this.greet(socket));
    // Runs before `greet`; with TLS it gets the underlying socket.
    this.server.prependListener('connection', (socket: Socket) => this.accept(socket));
    this.ready = this.listen();
    this.ready.catch(() => undefined); // callers of `ready` see the error
  }

  /** The address that it listens or listened on; available once `ready`. */
  get address(): AddressInfo {
    if (this.bound === undefined) throw new Error('the runner does not listen yet');
    return this.bound;
  }

  /** Number of open connections, including those before their handshake. */
  get connections(): number {
    return this.guests.size;
  }

  /** Stops listening, sends GOAWAY to balancers, and waits for open streams. Resolves when all connections are closed. */
  async closeGracefully(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const { connection, socket } of [...this.guests.values()]) {
      if (connection) connection.closeGracefully();
      else socket.destroy();
    }
    await closed;
  }

  /** Closes every connection at once. */
  destroy(): void {
    for (const { connection, socket } of [...this.guests.values()]) {
      connection?.destroy(new Error('the runner is shutting down'));
      socket.destroy();
    }
  }

  private accept(socket: Socket): void {
    const { remoteAddress, remotePort } = socket;
    socket.on('error', () => undefined); // `close` follows
    if (remoteAddress === undefined || !this.hasRoomFor(remoteAddress)) return void socket.destroy();
    const key = `${remoteAddress} ${remotePort}`;
    const guest: Guest = {
      socket,
      address: remoteAddress,
      handshakeTimer: this.options.clock.after(HANDSHAKE_MS, () => this.drop(guest)),
      connection: undefined,
      keepalive: undefined,
    };
    this.guests.set(key, guest);
    socket.once('close', () => this.forget(key, guest));
  }

  /** A connection without a completed handshake makes room for a new one; others keep their places. */
  private hasRoomFor(address: string): boolean {
    const { maxConnections, maxConnectionsPerAddress } = this.options;
    const here = [...this.guests.values()].filter((guest) => guest.address === address);
    return this.makeRoom(here, maxConnectionsPerAddress) && this.makeRoom([...this.guests.values()], maxConnections);
  }

  private makeRoom(guests: readonly Guest[], limit: number): boolean {
    if (guests.length < limit) return true;
    const silent = guests.find(({ handshakeTimer, socket }) => handshakeTimer !== undefined && !socket.destroyed);
    this.refused += 1;
    const { logger } = this.options;
    const level = this.refused === 1 ? 'warn' : 'debug';
    logger[level]('too many connections (FN_GRPC_MAX_CONNECTIONS, FN_GRPC_MAX_CONNECTIONS_PER_ADDRESS)', {
      open: guests.length,
      closed: silent ? 'the oldest without a completed handshake' : 'the new one',
    });
    if (silent) this.drop(silent);
    return silent !== undefined;
  }

  private drop(guest: Guest): void {
    guest.connection?.destroy(new Error('no HTTP/2 handshake in time'));
    guest.socket.destroy();
    // Its place is free at once, although `close` is emitted later.
    for (const [key, other] of this.guests) if (other === guest) this.forget(key, guest);
  }

  private forget(key: string, guest: Guest): void {
    guest.handshakeTimer?.cancel();
    guest.handshakeTimer = undefined;
    guest.keepalive?.close();
    if (this.guests.get(key) === guest) this.guests.delete(key);
  }

  /** Serves a plain connection, or a TLS connection of a member of the fleet. */
  private greet(socket: Socket): void {
    const key = `${socket.remoteAddress} ${socket.remotePort}`;
    const guest = this.guests.get(key);
    if (guest === undefined || guest.connection !== undefined) return void socket.destroy();
    const { maxStreams, onStream, logger, keepaliveTimeoutMs } = this.options;
    const everyMs = Math.min(KEEPALIVE_CHECK_MS, keepaliveTimeoutMs / 4);
    const connection: Connection = new Connection(socket, {
      role: 'server',
      streamWindowBytes: STREAM_WINDOW_BYTES,
      connectionWindowBytes: CONNECTION_WINDOW_BYTES,
      maxStreams,
      stuckLooks: Math.ceil((STUCK_TIMEOUTS * keepaliveTimeoutMs) / everyMs),
      stalledLooks: Math.ceil(STALLED_MS / everyMs),
      events: {
        onStream: (stream, head) => onStream(stream, head, from),
        onReady: () => {
          guest.handshakeTimer?.cancel();
          guest.handshakeTimer = undefined;
        },
        onFault: (error) => logger.error('reset a stream after an internal error', { error }),
        onClose: (error) => {
          logger.debug('connection closed', { balancer: guest.address, error });
          this.forget(key, guest);
        },
      },
    });
    guest.connection = connection;
    guest.keepalive = this.watch(connection, guest.address, everyMs);
    const from = { connection, receipts: crossesNetwork(socket) ? new DeliveryReceipts(connection) : undefined };
  }

  /** Calls of a balancer that is gone must not occupy containers. */
  private watch(connection: Connection, balancer: string, everyMs: number): KeepaliveMonitor {
    const { keepaliveTimeoutMs, clock, logger } = this.options;
    return new KeepaliveMonitor({
      ping: (answered) => {
        connection.ping(answered);
        return true;
      },
      bytesRead: () => connection.bytesRead,
      isBusy: () => true,
      onLook: () => connection.look(),
      everyMs,
      limitMs: keepaliveTimeoutMs,
      onLost: (unresponsiveMs) => {
        logger.warn('balancer unresponsive, ending its calls', { balancer, unresponsiveMs });
        connection.destroy(new Error(`unresponsive for ${unresponsiveMs} ms`));
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

/** Between processes of one machine, sent data arrives unless the receiver has ended. */
function crossesNetwork({ remoteAddress, localAddress }: Pick<Socket, 'remoteAddress' | 'localAddress'>): boolean {
  return remoteAddress === undefined || (remoteAddress !== localAddress && !isLoopback(remoteAddress));
}
