import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { type Clock, isLoopback, type Logger, type Timer, TurnoverMap } from '@fnfleet/core';
import { Connection, DeliveryReceipts, type HeaderList, type Http2Stream, KeepaliveMonitor } from '@fnfleet/protocol';
import { type MemberCheck, memberGate, newMemberServer } from './member-server.js';
import { SocketFile } from './socket-file.js';

/** Port 0 takes a free one. With a path, the port is a unix socket. */
export type ListenAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/** One connection of the port. */
export interface PortConnection {
  readonly connection: Connection;
  /** Undefined if the connection does not cross a network. */
  readonly receipts: DeliveryReceipts | undefined;
}

export interface GrpcPortOptions {
  readonly at: ListenAddress;
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

/** A connection, from its acceptance. */
interface Guest {
  readonly key: string;
  readonly socket: Socket;
  /** For limits and logs. */
  readonly address: string;
  /** Runs until the handshake is complete. */
  handshakeTimer: Timer | undefined;
  connection: Connection | undefined;
  keepalive: KeepaliveMonitor | undefined;
}

/** The address of all connections over a unix socket. */
const THIS_MACHINE = 'unix';

/** The HTTP/2 port of a runner, or its unix socket, and its connections, from listening to the last close. */
export class GrpcPort {
  readonly ready: Promise<void>;
  private readonly server: Server;
  /** Undefined for a TCP port. */
  private readonly file: SocketFile | undefined;
  /** By remote address and port, or for a unix socket by number, in order of arrival. */
  private readonly guests = new TurnoverMap<string, Guest>();
  private bound: AddressInfo | undefined;
  private refused = 0;
  private arrivals = 0;
  private closing = false;

  constructor(private readonly options: GrpcPortOptions) {
    this.file = 'path' in options.at ? new SocketFile(options.at.path) : undefined;
    this.server = this.newServer();
    this.ready = this.listen();
    this.ready.catch(() => undefined); // callers of `ready` see the error
  }

  /** The address that it listens or listened on; available once `ready`. @throws Error for a unix socket */
  get address(): AddressInfo {
    if (this.file !== undefined) throw new Error('the runner listens on a unix socket, not on a port');
    if (this.bound === undefined) throw new Error('the runner does not listen yet');
    return this.bound;
  }

  /** Number of open connections, including those before their handshake. */
  get connections(): number {
    return this.guests.size;
  }

  /** Stops listening, sends GOAWAY to balancers, and waits for open streams. Resolves when all connections are closed. */
  async closeGracefully(): Promise<void> {
    this.closing = true;
    const closed = new Promise<void>((resolve) => {
      if (this.file) this.file.close(this.server, resolve);
      else this.server.close(() => resolve());
    });
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

  private newServer(): Server {
    const { tls } = this.options;
    if (tls !== undefined && this.file === undefined) {
      const server = newMemberServer(tls, (socket) => this.greet(socket, this.guests.get(tcpKey(socket))));
      // Before TLS begins. Afterwards Node does not tell which connection a TLS socket is on, but they have the same addresses.
      return server.prependListener('connection', (socket: Socket) => this.accept(socket));
    }
    const admit = tls && memberGate(tls);
    return createServer({ noDelay: true }, (socket) => {
      const guest = this.accept(socket);
      if (guest === undefined) return;
      if (admit) admit(socket, (secured) => this.greet(secured, guest));
      else this.greet(socket, guest);
    });
  }

  /** @returns undefined if there is no room for it */
  private accept(socket: Socket): Guest | undefined {
    socket.on('error', () => undefined); // `close` follows
    const address = this.file === undefined ? socket.remoteAddress : THIS_MACHINE;
    if (address === undefined || !this.hasRoomFor(address)) {
      socket.destroy();
      return undefined;
    }
    this.arrivals += 1;
    const key = this.file === undefined ? tcpKey(socket) : `${this.arrivals}`;
    const guest: Guest = {
      key,
      socket,
      address,
      handshakeTimer: this.options.clock.after(HANDSHAKE_MS, () => this.drop(guest)),
      connection: undefined,
      keepalive: undefined,
    };
    this.guests.set(key, guest);
    socket.once('close', () => this.forget(guest));
    return guest;
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
    this.forget(guest);
  }

  private forget(guest: Guest): void {
    guest.handshakeTimer?.cancel();
    guest.handshakeTimer = undefined;
    guest.keepalive?.close();
    if (this.guests.get(guest.key) === guest) this.guests.delete(guest.key);
  }

  /** Serves a plain connection, or a TLS connection of a member of the fleet. */
  private greet(socket: Socket, guest: Guest | undefined): void {
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
          this.forget(guest);
        },
      },
    });
    guest.connection = connection;
    guest.keepalive = this.watch(connection, guest.address, everyMs);
    const from = { connection, receipts: this.crossesNetwork(socket) ? new DeliveryReceipts(connection) : undefined };
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

  private async listen(): Promise<void> {
    const { at } = this.options;
    const [where, settings] =
      'path' in at ? [at.path, 'FN_GRPC_SOCKET'] : [`${at.host}:${at.port}`, 'FN_GRPC_PORT, FN_BIND_ADDRESS'];
    try {
      await this.file?.claim();
      if (this.closing) throw new Error('the runner is shutting down');
      await new Promise<void>((resolve, reject) => {
        this.server.once('error', reject);
        const onListening = () => {
          this.bound = this.server.address() as AddressInfo;
          resolve();
        };
        if ('path' in at) this.file?.listen(this.server, onListening);
        else this.server.listen(at.port, at.host, onListening);
      });
    } catch (error) {
      throw new Error(`cannot listen on ${where} (${settings}): ${(error as Error).message}`);
    }
  }

  /** Between processes of one machine, sent data arrives unless the receiver has ended. */
  private crossesNetwork({ remoteAddress, localAddress }: Pick<Socket, 'remoteAddress' | 'localAddress'>): boolean {
    if (this.file !== undefined) return false;
    return remoteAddress === undefined || (remoteAddress !== localAddress && !isLoopback(remoteAddress));
  }
}

function tcpKey({ remoteAddress, remotePort }: Pick<Socket, 'remoteAddress' | 'remotePort'>): string {
  return `${remoteAddress} ${remotePort}`;
}
