import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { type Clock, isLoopback, type Logger, type Timer, TurnoverMap } from '@fnfleet/core';
import { Connection, DeliveryReceipts, type HeaderList, type Http2Stream, KeepaliveMonitor } from '@fnfleet/protocol';
import { type MemberCheck, newMemberServer } from './member-server.js';

/** One connection of the port. */
export interface PortConnection {
  readonly connection: Connection;
  /** Undefined where it does not cross a network. */
  readonly receipts: DeliveryReceipts | undefined;
}

export interface GrpcPortOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** TLS, and who may connect; plain text unless given. */
  readonly tls?: MemberCheck;
  /** Streams one connection may have open. */
  readonly maxStreams: number;
  /** Connections at a time, those that have not said who they are included; and of them from one address. */
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  /** A stream is open: gives it a listener, or resets it. */
  readonly onStream: (stream: Http2Stream, head: HeaderList, from: PortConnection) => void;
  /** How long a keepalive PING may stay unanswered before a balancer is considered lost, milliseconds. */
  readonly keepaliveTimeoutMs: number;
  readonly clock: Pick<Clock, 'after'>;
  readonly logger: Logger;
}

/**
 * A stream may have this much on its way to a slow function; the connection has room for many such streams, so that one
 * of them does not hold up the others.
 */
const STREAM_WINDOW_BYTES = 128 * 1024;
const CONNECTION_WINDOW_BYTES = 16 * 1024 * 1024;

/** Interval between looks at a connection, milliseconds; shorter if the keepalive timeout is short. */
const KEEPALIVE_CHECK_MS = 2_000;
/** How long a connection may take for TLS and its first word in HTTP/2, milliseconds. */
const FIRST_WORD_MS = 10_000;
/** A write may take this multiple of the keepalive timeout: on a slow line, data of others is ahead of it. */
const STUCK_TIMEOUTS = 4;
/** How long a balancer may leave the rest of an answer that is complete where it is, milliseconds. */
const STALLED_MS = 300_000;

/** A TCP connection, from the moment it is accepted. */
interface Guest {
  readonly socket: Socket;
  readonly address: string;
  /** Runs until its first word. */
  firstWord: Timer | undefined;
  connection: Connection | undefined;
  keepalive: KeepaliveMonitor | undefined;
}

/** The HTTP/2 port of a runner: its connections, from listening to the last goodbye. */
export class GrpcPort {
  readonly ready: Promise<void>;
  private readonly server: Server;
  /** By the address and port of their other end, in the order in which they came. */
  private readonly guests = new TurnoverMap<string, Guest>();
  private bound: AddressInfo | undefined;
  private refused = 0;

  constructor(private readonly options: GrpcPortOptions) {
    const { tls } = options;
    this.server = tls
      ? newMemberServer(tls, (socket) => this.greet(socket))
      : createServer({ noDelay: true }, (socket) => this.greet(socket));
    // Before `greet`, whatever comes first: with TLS it is the socket below.
    this.server.prependListener('connection', (socket: Socket) => this.accept(socket));
    this.ready = this.listen();
    this.ready.catch(() => undefined); // whoever waits for it is told
  }

  /** Where it listens, or listened; defined from `ready` on. */
  get address(): AddressInfo {
    if (this.bound === undefined) throw new Error('the runner does not listen yet');
    return this.bound;
  }

  /** Connections that are open, those included that have not said a word. */
  get connections(): number {
    return this.guests.size;
  }

  /** Stops listening, tells balancers to go elsewhere, and waits for open streams. Resolves when all are closed. */
  async closeGracefully(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const { connection, socket } of [...this.guests.values()]) {
      if (connection) connection.leave();
      else socket.destroy();
    }
    await closed;
  }

  /** Cuts every connection. */
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
      firstWord: this.options.clock.after(FIRST_WORD_MS, () => this.drop(guest)),
      connection: undefined,
      keepalive: undefined,
    };
    this.guests.set(key, guest);
    socket.once('close', () => this.forget(key, guest));
  }

  /** One that has not said a word yet makes room for another; those that have keep their places. */
  private hasRoomFor(address: string): boolean {
    const { maxConnections, maxConnectionsPerAddress } = this.options;
    const here = [...this.guests.values()].filter((guest) => guest.address === address);
    return this.makeRoom(here, maxConnectionsPerAddress) && this.makeRoom([...this.guests.values()], maxConnections);
  }

  private makeRoom(guests: readonly Guest[], limit: number): boolean {
    if (guests.length < limit) return true;
    const silent = guests.find(({ firstWord, socket }) => firstWord !== undefined && !socket.destroyed);
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
    // Its place is free at once, though its `close` comes later.
    for (const [key, other] of this.guests) if (other === guest) this.forget(key, guest);
  }

  private forget(key: string, guest: Guest): void {
    guest.firstWord?.cancel();
    guest.firstWord = undefined;
    guest.keepalive?.stop();
    if (this.guests.get(key) === guest) this.guests.delete(key);
  }

  /** Plain text, or TLS with a member at the other end. */
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
          guest.firstWord?.cancel();
          guest.firstWord = undefined;
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

/** What one process of a machine has sent to another gets there, or the other has ended. */
function crossesNetwork({ remoteAddress, localAddress }: Pick<Socket, 'remoteAddress' | 'localAddress'>): boolean {
  return remoteAddress === undefined || (remoteAddress !== localAddress && !isLoopback(remoteAddress));
}
