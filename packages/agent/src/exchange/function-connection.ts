import type { OnReadOpts, Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { type BorrowedBytes, type Clock, sharedReads } from '@fnfleet/core';
import type { AgentCall } from '../call/agent-call.js';
import type { Turns } from '../call/call-clock.js';
import { type Connect, type Dialling, FunctionDialer } from './function-dialer.js';
import { type Deadlines, Exchange, type ExchangeLimits } from './function-exchange.js';
import { LazyTimer } from './lazy-timer.js';
import { ReplyError, ReplyParser } from './reply-parser.js';
import { Upload } from './upload.js';

/** FDKs close idle connections after zero to five seconds. This is less than most of them. */
const IDLE_CLOSE_MS = 900;
const DEFAULT_HEADER_BYTES = 1024 * 1024;
/** A body up to this size is sent with its head in one write. */
const ONE_WRITE_BYTES = 16 * 1024;

/**
 * The one connection to the function in a container. It is opened when a call needs it, kept for the next call, and closed
 * when idle. There are never two: many FDKs accept a second connection only after the first has closed.
 *
 * F1  It carries one exchange at a time, and a request at most once.
 * F2  Bytes that belong to no exchange close it: bytes while it is idle, and bytes after a response.
 * F3  After an exchange it is kept only if both the request and the response are complete.
 * F4  A function may close it whenever no call is in progress. If that is noticed before it accepted a byte of a request, it is
 *     opened again, once.
 */
export class FunctionConnection {
  private readonly dialer: FunctionDialer;
  private readonly parser: ReplyParser;
  private readonly idleTimer: LazyTimer;
  private readonly read: OnReadOpts;
  private dialling: Dialling | undefined;
  private socket: Socket | undefined;
  private exchangeNow: Exchange | undefined;
  private uploading: Upload | undefined;
  /** The connection was open before the current exchange. */
  private kept = false;
  private paused = false;
  private closed = false;

  constructor(
    connect: Connect,
    private readonly limits: ExchangeLimits,
    private readonly clock: Clock,
  ) {
    this.dialer = new FunctionDialer(connect);
    this.parser = new ReplyParser({ maxHeadBytes: limits.maxHeaderBytes || DEFAULT_HEADER_BYTES });
    this.idleTimer = new LazyTimer(clock, () => this.drop());
    this.read = sharedReads((bytes) => this.onBytes(bytes));
  }

  /** Sends the call. Only one exchange may run at a time. */
  exchange(call: AgentCall, deadlines: Deadlines, turns: Turns): Exchange {
    const exchange = new Exchange(call, deadlines, this.limits, this.clock, this, turns);
    exchange.begin();
    return exchange;
  }

  /** Closes the connection and fails the current exchange. Idempotent. */
  close(): void {
    this.closed = true;
    this.exchangeNow?.onFailed(new Error('the connection is closed'));
    this.drop();
    this.idleTimer.close();
  }

  /** Calls `onOpen` of the exchange when the connection is open, possibly synchronously. */
  open(exchange: Exchange): void {
    this.exchangeNow = exchange;
    this.idleTimer.cancel();
    this.kept = this.socket !== undefined;
    if (this.kept) exchange.onOpen();
    else this.dial(exchange);
  }

  private dial(exchange: Exchange): void {
    if (this.closed) return exchange.onFailed(new Error('the connection is closed'));
    this.dialling = this.dialer.dial(
      this.read,
      (socket) => this.onOpen(socket),
      (error) => this.onFailed(error),
    );
  }

  /**
   * @param head one character per byte
   * @returns false when the connection failed before it accepted a byte; the exchange is then called back as after `open`
   */
  send(head: string, body: Buffer, exchange: Exchange): boolean {
    const { socket } = this;
    if (socket === undefined) {
      this.onUnsent(new Error('the connection is closed'));
      return false;
    }
    this.parser.begin(exchange);
    if (body.length === 0) {
      socket.write(head, 'latin1');
    } else if (body.length > ONE_WRITE_BYTES) {
      socket.cork();
      socket.write(head, 'latin1');
      socket.write(body);
      socket.uncork();
    } else {
      const whole = Buffer.allocUnsafe(head.length + body.length);
      whole.write(head, 'latin1');
      body.copy(whole, head.length);
      socket.write(whole);
    }
    if (socket.errored === null) return true;
    this.onUnsent(socket.errored);
    return false;
  }

  /** Sends the body that follows the head. */
  upload(body: Readable, exchange: Exchange): void {
    if (this.socket !== undefined) this.uploading = new Upload(this.socket, body, exchange);
  }

  /** The exchange can accept no more than the data of the current read. */
  pause(): void {
    this.paused = true;
    this.socket?.pause();
  }

  /** The exchange can accept more. */
  resume(): void {
    this.paused = false;
    this.socket?.resume();
  }

  /** Ends an exchange, opened or not. @param complete whether its request and its response are complete */
  release(exchange: Exchange, complete: boolean): void {
    if (this.exchangeNow !== exchange) return;
    this.exchangeNow = undefined;
    if (this.paused) this.resume();
    const sent = this.uploading?.isComplete ?? true;
    this.uploading?.close();
    this.uploading = undefined;
    if (complete && sent && this.parser.mayGoOn && this.socket !== undefined) this.idleTimer.set(IDLE_CLOSE_MS);
    else this.drop();
  }

  private onOpen(socket: Socket): void {
    this.dialling = undefined;
    this.socket = socket;
    socket.once('end', () => this.onEnd(socket));
    socket.once('error', (error) => this.onGone(socket, error));
    socket.once('close', () => this.onGone(socket, new ReplyError('early', 'the connection was closed')));
    this.exchangeNow?.onOpen();
  }

  private onBytes(bytes: BorrowedBytes): void {
    // F2
    if (this.exchangeNow === undefined) return this.drop();
    if (!this.parser.isReading) return this.onUnsent(new Error('the function sent data before it received a request'));
    try {
      const taken = this.parser.read(bytes);
      if (taken < bytes.length) this.drop();
    } catch (error) {
      this.onFailed(error as Error);
    }
  }

  /** The function closed its side of the connection. */
  private onEnd(socket: Socket): void {
    if (this.socket !== socket) return;
    if (!this.parser.isReading) return this.onUnsent(new ReplyError('early', 'the connection was closed'));
    try {
      this.parser.end();
    } catch (error) {
      this.onFailed(error as Error);
    }
    this.drop();
  }

  private onGone(socket: Socket, error: Error): void {
    if (this.socket !== socket) return;
    if (this.parser.isReading) this.onFailed(error);
    else this.onUnsent(error);
  }

  /** F4 */
  private onUnsent(error: Error): void {
    const exchange = this.exchangeNow;
    this.drop();
    if (exchange !== undefined && this.kept) {
      this.kept = false;
      this.dial(exchange);
    } else exchange?.onFailed(error);
  }

  private onFailed(error: Error): void {
    const exchange = this.exchangeNow;
    this.drop();
    exchange?.onFailed(error);
  }

  private drop(): void {
    const { socket, dialling } = this;
    this.socket = undefined;
    this.dialling = undefined;
    this.paused = false;
    this.parser.stop();
    this.idleTimer.cancel();
    dialling?.destroy();
    // Errors while closing are irrelevant.
    socket?.on('error', () => undefined).destroy();
  }
}
