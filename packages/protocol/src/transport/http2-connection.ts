import http2 from 'node:http2';
import net from 'node:net';
import tls from 'node:tls';
import { type Clock, clientTlsOptions, Deferred, type Logger, type Timer, type TlsIdentity } from '@fnfleet/core';
import { bindSocket, watchSocket } from './last-word.js';
import { Pulse } from './pulse.js';

/**
 * The one HTTP/2 connection to a runner, kept up on demand.
 *
 *   idle ──acquire──▶ connecting ──▶ ready ──lost, goaway──▶ idle
 *                         └──failed──▶ cooling ──delay over──▶ idle
 *   any ──close──▶ closed
 *
 * While connecting, callers wait for the result; while cooling they are refused at once, so that a call goes to another
 * runner instead of waiting for this one. The delay grows with each failure, with jitter, and starts over on success.
 */
type State =
  | { readonly kind: 'idle' }
  | { readonly kind: 'connecting'; readonly session: Deferred<http2.ClientHttp2Session>; readonly socket: net.Socket }
  | { readonly kind: 'ready'; readonly session: http2.ClientHttp2Session; readonly pulse: Pulse }
  | { readonly kind: 'cooling'; readonly error: Error; readonly timer: Timer }
  | { readonly kind: 'closed' };

/** Who we are to a runner, and which name its certificate has to have. */
export interface RunnerTls {
  readonly identity: TlsIdentity;
  /** Default: the host part of its address. */
  readonly runnerName?: string;
}

export interface ConnectionOptions {
  /** `host:port`; an IPv6 host is in brackets. */
  readonly address: string;
  /** TLS; undefined: plain text. */
  readonly tls?: RunnerTls;
  /** Limit for TCP and TLS together, milliseconds. */
  readonly connectTimeoutMs: number;
  /** First and longest delay after a failure, milliseconds. */
  readonly backoff: { readonly initialMs: number; readonly maxMs: number };
  /** A runner that says nothing for so long, although it is asked to, is taken for lost; milliseconds. */
  readonly silenceMs: number;
  /** Whether somebody waits for the runner. */
  readonly isBusy: () => boolean;
  /** A runner of Fn takes it ill to be asked for signs of life. */
  readonly mayPing: (session: http2.ClientHttp2Session) => boolean;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
}

/**
 * Flow-control windows. A stream may have this much on its way to a slow reader; the connection has room for many such
 * streams, so that one of them does not hold up the others.
 */
const STREAM_WINDOW_BYTES = 256 * 1024;
const CONNECTION_WINDOW_BYTES = 16 * 1024 * 1024;
const TCP_KEEPALIVE_MS = 10_000;
/** How often a connection is looked at, milliseconds; or more often where less silence is borne. */
const PULSE_MS = 500;

export class Http2Connection {
  private state: State = { kind: 'idle' };
  private failures = 0;

  constructor(private readonly options: ConnectionOptions) {}

  /** The live session if there is one: the way of almost every call. */
  get current(): http2.ClientHttp2Session | undefined {
    return this.state.kind === 'ready' ? this.state.session : undefined;
  }

  /** The runner has been asked for a sign of life and has given none yet. */
  get isSilent(): boolean {
    return this.state.kind === 'ready' && this.state.pulse.isSilent;
  }

  /** Resolves with a live session, connecting if needed. Rejects with why there is none. */
  acquire(): Promise<http2.ClientHttp2Session> {
    const { state } = this;
    switch (state.kind) {
      case 'ready':
        return Promise.resolve(state.session);
      case 'connecting':
        return state.session.promise;
      case 'cooling':
        return Promise.reject(state.error);
      case 'closed':
        return Promise.reject(new Error(`the connection to ${this.options.address} is closed`));
      case 'idle':
        return this.connect();
    }
  }

  /** Lets streams in hand end, then closes. */
  async close(): Promise<void> {
    const { state } = this;
    this.state = { kind: 'closed' };
    if (state.kind === 'cooling') state.timer.cancel();
    if (state.kind === 'connecting') {
      state.session.reject(new Error(`the connection to ${this.options.address} is closed`));
      state.socket.destroy();
    }
    if (state.kind === 'ready' && !state.session.destroyed) {
      await new Promise<void>((resolve) => state.session.close(resolve));
    }
  }

  private connect(): Promise<http2.ClientHttp2Session> {
    const { connectTimeoutMs, clock } = this.options;
    const deferred = new Deferred<http2.ClientHttp2Session>();
    const socket = this.dial();
    this.state = { kind: 'connecting', session: deferred, socket };
    const failed = (error: Error) => {
      timer.cancel();
      socket.destroy();
      if (this.state.kind === 'connecting' && this.state.socket === socket) this.cool(error);
      deferred.reject(error);
    };
    const timer = clock.after(connectTimeoutMs, () => failed(new Error(`no connection within ${connectTimeoutMs} ms`)));
    socket.once('error', failed);
    socket.once(this.options.tls ? 'secureConnect' : 'connect', () => {
      socket.off('error', failed);
      if (this.state.kind === 'closed') return void socket.destroy();
      const session = this.open(socket);
      const established = () => {
        if (this.state.kind !== 'connecting') return void socket.destroy();
        timer.cancel();
        this.failures = 0;
        this.state = { kind: 'ready', session, pulse: this.watch(session, socket) };
        deferred.resolve(session);
      };
      if (this.options.tls) untilAccepted(session, established, failed);
      else established();
    });
    // Nobody may be waiting when a connection fails.
    deferred.promise.catch(() => undefined);
    return deferred.promise;
  }

  private dial(): net.Socket {
    const { host, port } = splitAddress(this.options.address);
    const base = { host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: TCP_KEEPALIVE_MS };
    if (!this.options.tls) return net.connect(base);
    const { identity, runnerName } = this.options.tls;
    return tls.connect({ ...base, ALPNProtocols: ['h2'], ...clientTlsOptions(identity, host, runnerName) });
  }

  private open(socket: net.Socket): http2.ClientHttp2Session {
    watchSocket(socket);
    const session = http2.connect(`http://${this.options.address}`, {
      createConnection: () => socket,
      settings: { initialWindowSize: STREAM_WINDOW_BYTES, enablePush: false },
    });
    bindSocket(session, socket);
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    const lost = () => {
      if (this.state.kind !== 'ready' || this.state.session !== session) return;
      this.state = { kind: 'idle' };
    };
    session.once('close', lost);
    session.once('goaway', lost); // streams in hand go on, new ones get a new connection
    session.on('error', (error) => {
      this.options.logger.debug('connection to runner lost', { runner: this.options.address, error });
      lost();
    });
    return session;
  }

  /** A connection that has fallen silent is given up, and with it all its streams. Watched as long as it lives. */
  private watch(session: http2.ClientHttp2Session, socket: net.Socket): Pulse {
    const { address, silenceMs, isBusy, mayPing, clock, logger } = this.options;
    const pulse = new Pulse({
      ping: (answered) => !session.destroyed && mayPing(session) && session.ping((error) => error ?? answered()),
      bytesRead: () => socket.bytesRead,
      isBusy,
      everyMs: Math.min(PULSE_MS, silenceMs / 4),
      limitMs: silenceMs,
      onLost: (silentMs) => {
        logger.warn('a runner has fallen silent; what had not started there goes elsewhere', {
          runner: address,
          silentMs,
        });
        session.destroy(new Error(`the runner has been silent for ${silentMs} ms`));
      },
      clock,
    });
    session.once('close', () => pulse.stop());
    return pulse;
  }

  private cool(error: Error): void {
    const { backoff, clock, random, logger, address } = this.options;
    const ceiling = Math.min(backoff.maxMs, backoff.initialMs * 2 ** this.failures);
    const delayMs = ceiling / 2 + (random() * ceiling) / 2;
    this.failures = Math.min(this.failures + 1, 30);
    // Neither the network nor the name is to blame, and it will not pass by itself.
    const distrust = this.options.tls !== undefined && (error as NodeJS.ErrnoException).syscall === undefined;
    const level = distrust && this.failures === 1 ? 'warn' : 'debug';
    logger[level]('runner cannot be reached', { runner: address, error, retryInMs: Math.round(delayMs) });
    const timer = clock.after(delayMs, () => {
      this.state = { kind: 'idle' };
    });
    this.state = { kind: 'cooling', error, timer };
  }
}

/**
 * In TLS 1.3 a server judges the certificate of its client after the client may speak. Its first word in HTTP/2 says that
 * it has accepted us; a call that was sent before that would count as started although nobody took it.
 */
function untilAccepted(session: http2.ClientHttp2Session, accepted: () => void, refused: (error: Error) => void): void {
  let reason = new Error(
    'closed before a word: it may not accept the certificate shown (FN_TLS_CA, FN_TLS_ALLOWED_NAMES there)',
  );
  session.once('error', (error: Error) => {
    reason = error;
  });
  session.once('remoteSettings', accepted);
  session.once('close', () => refused(reason));
}

function splitAddress(address: string): { host: string; port: number } {
  const at = address.lastIndexOf(':');
  return { host: address.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(address.slice(at + 1)) };
}
