import net from 'node:net';
import tls from 'node:tls';
import { type Clock, Deferred, hostOfAddress, type Logger, type Timer, unixPathOf } from '@fnfleet/core';
import { clientTlsOptions, type ExpectedPeer, type TlsIdentity } from '@fnfleet/tls';
import { Connection } from './connection.js';
import { KeepaliveMonitor } from './keepalive-monitor.js';
import { RunnerPeer } from './runner-peer.js';

/**
 * The connection to a runner, opened on demand.
 *
 *   idle ──acquire──▶ connecting ──▶ ready ──lost, goaway, full, sick──▶ idle
 *                         └──failed──▶ cooling ──delay over──▶ idle
 *   any ──close──▶ closed
 *
 * While connecting, callers wait for the result; while cooling they are refused at once, so that calls go to another runner instead
 * of waiting for this one. The delay grows with each failure, with jitter, and starts over on success.
 *
 * A connection that accepts no more streams, because its runner's limit is reached or the runner refuses them, is replaced: it
 * finishes its open streams, and new ones get another connection.
 */
type State =
  | { readonly kind: 'idle' }
  | { readonly kind: 'connecting'; readonly peer: Deferred<RunnerPeer>; readonly socket: net.Socket }
  | { readonly kind: 'ready'; readonly peer: RunnerPeer; readonly keepalive: KeepaliveMonitor }
  | { readonly kind: 'cooling'; readonly error: Error; readonly timer: Timer }
  | { readonly kind: 'closed' };

/** Our identity for a runner, and the required name of its certificate. */
export interface RunnerTls {
  readonly identity: TlsIdentity;
  /** Default: the host part of its address, or `localhost` for a unix socket. */
  readonly runnerName?: string;
}

/** Which peers are accepted as a runner. */
export function runnerPeer({ runnerName: name }: RunnerTls): ExpectedPeer {
  return { name, roles: ['pure-runner'] };
}

export interface LinkOptions {
  /** `host:port`, where an IPv6 host is in brackets, or `unix:/path`. */
  readonly address: string;
  /** TLS; undefined: no TLS. */
  readonly tls?: RunnerTls;
  /** Limit for the connection and TLS together, milliseconds. */
  readonly connectTimeoutMs: number;
  /** First and longest delay after a failure, milliseconds. */
  readonly backoff: { readonly initialMs: number; readonly maxMs: number };
  /** How long a keepalive PING may stay unanswered before the runner is considered lost, milliseconds. */
  readonly keepaliveTimeoutMs: number;
  /** Whether somebody waits for the runner. */
  readonly isBusy: () => boolean;
  /** Fn runners reject unsolicited PINGs. */
  readonly mayPing: (peer: RunnerPeer) => boolean;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
}

/**
 * Flow-control windows. A stream may have this much in transit to a slow reader; the connection has room for many such streams, so
 * that one of them does not block the others.
 */
const STREAM_WINDOW_BYTES = 256 * 1024;
const CONNECTION_WINDOW_BYTES = 16 * 1024 * 1024;
const TCP_OPTIONS = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 10_000 };
/** Interval between looks at a connection, milliseconds; shorter if the keepalive timeout is short. */
const KEEPALIVE_CHECK_MS = 500;
/** A write may take this multiple of the keepalive timeout: on a slow line, data of others is ahead of it. */
const STUCK_TIMEOUTS = 4;
/** Limit for replaced connections that still have open streams. With more, the runner counts as unreachable. */
const MAX_RETIRED = 8;
/** How long a connection may take to close gracefully, milliseconds. */
const CLOSE_GRACE_MS = 1000;

export class RunnerLink {
  private state: State = { kind: 'idle' };
  private failures = 0;
  /** Consecutive connections on which the runner refused every stream. */
  private sickInARow = 0;
  /** Open connections and their monitors. */
  private readonly connections = new Map<Connection, KeepaliveMonitor | undefined>();
  private onceEmpty: (() => void) | undefined;

  constructor(private readonly options: LinkOptions) {}

  /** The live connection if there is one that accepts streams: the path of almost every call. */
  get current(): RunnerPeer | undefined {
    if (this.state.kind !== 'ready') return undefined;
    const { peer } = this.state;
    if (peer.takesStreams) return peer;
    this.retire(peer);
    return undefined;
  }

  /** A keepalive PING is overdue. */
  get isUnresponsive(): boolean {
    return this.state.kind === 'ready' && this.state.keepalive.isUnresponsive;
  }

  /** Resolves with a live connection, connecting if needed. Rejects with why there is none. */
  acquire(): Promise<RunnerPeer> {
    const { current } = this;
    if (current) return Promise.resolve(current);
    const { state } = this;
    switch (state.kind) {
      case 'connecting':
        return state.peer.promise;
      case 'cooling':
        return Promise.reject(state.error);
      case 'closed':
        return Promise.reject(new Error(`the connection to ${this.options.address} is closed`));
      case 'ready':
        return Promise.reject(new Error('the limit of connections is reached, and none of them takes more calls'));
      case 'idle':
        return this.connect();
    }
  }

  /** Lets open streams end for a short time, then closes. */
  async close(): Promise<void> {
    const { state } = this;
    this.state = { kind: 'closed' };
    if (state.kind === 'cooling') state.timer.cancel();
    if (state.kind === 'connecting') {
      state.peer.reject(new Error(`the connection to ${this.options.address} is closed`));
      state.socket.destroy();
    }
    if (this.connections.size === 0) return;
    const empty = new Promise<void>((resolve) => {
      this.onceEmpty = resolve;
    });
    const limit = this.options.clock.after(CLOSE_GRACE_MS, () => {
      for (const connection of [...this.connections.keys()]) connection.destroy(new Error('closed'));
    });
    for (const connection of [...this.connections.keys()]) connection.closeGracefully();
    await empty;
    limit.cancel();
  }

  private connect(): Promise<RunnerPeer> {
    const { connectTimeoutMs, clock } = this.options;
    const deferred = new Deferred<RunnerPeer>();
    const socket = this.dial();
    this.state = { kind: 'connecting', peer: deferred, socket };
    const failed = (error: Error) => {
      timer.cancel();
      socket.destroy();
      if (this.state.kind === 'connecting' && this.state.socket === socket) this.cool(error);
      deferred.reject(error);
    };
    const timer = clock.after(connectTimeoutMs, () => failed(new Error(`no connection within ${connectTimeoutMs} ms`)));
    socket.once('error', failed);
    socket.once(this.options.tls ? 'secureConnect' : 'connect', () => {
      // A connection attempt that is given up destroys its socket, which emits nothing from then on.
      const established = (peer: RunnerPeer) => {
        timer.cancel();
        this.failures = 0;
        const keepalive = this.watch(peer);
        this.connections.set(peer.connection, keepalive);
        this.state = { kind: 'ready', peer, keepalive };
        deferred.resolve(peer);
      };
      this.open(socket, established, failed);
    });
    // Nobody may be waiting when a connection fails.
    deferred.promise.catch(() => undefined);
    return deferred.promise;
  }

  private dial(): net.Socket {
    const { address } = this.options;
    const [host, path] = [hostOfAddress(address), unixPathOf(address)];
    const base = path === undefined ? { ...TCP_OPTIONS, host, port: portOf(address) } : { path };
    if (!this.options.tls) return net.connect(base);
    const ours = clientTlsOptions(this.options.tls.identity, host, runnerPeer(this.options.tls));
    return tls.connect({ ...base, ALPNProtocols: ['h2'], ...ours });
  }

  /**
   * In TLS 1.3 a server verifies the certificate of its client after the client may already send. Its first HTTP/2 frame shows that
   * it has accepted us; a call sent before that would count as started although nobody took it.
   */
  private open(socket: net.Socket, established: (peer: RunnerPeer) => void, failed: (error: Error) => void): void {
    const { address, tls: secure, logger } = this.options;
    const connection = new Connection(socket, {
      role: 'client',
      streamWindowBytes: STREAM_WINDOW_BYTES,
      connectionWindowBytes: CONNECTION_WINDOW_BYTES,
      maxStreams: 0,
      stuckLooks: Math.ceil((STUCK_TIMEOUTS * this.options.keepaliveTimeoutMs) / this.lookMs),
      stalledLooks: Number.POSITIVE_INFINITY,
      events: {
        onReady: () => secure && established(peer),
        onGoaway: () => this.lost(peer),
        onFault: (error) =>
          logger.error('a call to a runner failed through an internal fault', { runner: address, error }),
        onClose: (error) => {
          logger.debug('connection to runner lost', { runner: address, error });
          this.lost(peer);
          failed('code' in error ? error : new Error(NO_WORD));
          this.connections.get(connection)?.close();
          this.connections.delete(connection);
          if (this.connections.size === 0) this.onceEmpty?.();
        },
      },
    });
    const peer = new RunnerPeer(connection);
    this.connections.set(connection, undefined);
    if (!secure) established(peer);
  }

  private lost(peer: RunnerPeer): void {
    if (this.state.kind !== 'ready' || this.state.peer !== peer) return;
    this.state = { kind: 'idle' };
  }

  /** It accepts no more streams. Open ones continue, and new ones get another connection. */
  private retire(peer: RunnerPeer): void {
    const { logger, address } = this.options;
    if (this.connections.size > MAX_RETIRED) return;
    logger.info('connection to runner takes no more calls, opening another', {
      runner: address,
      open: peer.connection.openStreams,
      refusals: peer.refusals,
    });
    this.lost(peer);
    this.sickInARow = peer.isSick && !peer.hasAnswered ? this.sickInARow + 1 : 0;
    peer.connection.closeGracefully();
    // Another connection would probably not do better at once.
    if (this.sickInARow === 0) return;
    this.failures = this.sickInARow - 1;
    this.cool(new Error('the runner refuses streams'));
  }

  private get lookMs(): number {
    return Math.min(KEEPALIVE_CHECK_MS, this.options.keepaliveTimeoutMs / 4);
  }

  /** Monitors a connection while it lives; if it is unresponsive for too long, it is closed with all its streams. */
  private watch(peer: RunnerPeer): KeepaliveMonitor {
    const { address, keepaliveTimeoutMs, isBusy, mayPing, clock, logger } = this.options;
    const { connection } = peer;
    return new KeepaliveMonitor({
      ping: (answered) => {
        if (connection.isClosed || !mayPing(peer)) return false;
        connection.ping(answered);
        return true;
      },
      bytesRead: () => connection.bytesRead,
      isBusy,
      onLook: () => peer.look(mayPing(peer)),
      everyMs: this.lookMs,
      limitMs: keepaliveTimeoutMs,
      onLost: (unresponsiveMs) => {
        logger.warn('runner unresponsive, offering calls that have not started to others', {
          runner: address,
          unresponsiveMs,
        });
        connection.destroy(new Error(`the runner has not responded for ${unresponsiveMs} ms`));
      },
      clock,
    });
  }

  private cool(error: Error): void {
    const { backoff, clock, random, logger, address } = this.options;
    const ceiling = Math.min(backoff.maxMs, backoff.initialMs * 2 ** this.failures);
    const delayMs = ceiling / 2 + (random() * ceiling) / 2;
    this.failures = Math.min(this.failures + 1, 30);
    // A failure of TLS, not of the network or the name, will not go away by itself.
    const distrust = this.options.tls !== undefined && (error as NodeJS.ErrnoException).syscall === undefined;
    const level = distrust && this.failures === 1 ? 'warn' : 'debug';
    logger[level]('runner cannot be reached', { runner: address, error, retryInMs: Math.round(delayMs) });
    const timer = clock.after(delayMs, () => {
      this.state = { kind: 'idle' };
    });
    this.state = { kind: 'cooling', error, timer };
  }
}

const NO_WORD =
  'closed before the first frame: the runner may reject our certificate (see its FN_TLS_CA, FN_TLS_ALLOWED_NAMES)';

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1));
}
