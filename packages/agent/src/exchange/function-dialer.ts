import type { OnReadOpts, Socket } from 'node:net';
import { LONG_AGO, later, type MonoMs, systemClock } from '@fnfleet/core';

/** How long a refused first connection is retried, and the pause between attempts, milliseconds. */
const RETRY_FOR_MS = 1_000;
const PAUSE_MS = 5;

/** Begins a connection whose incoming bytes go to `read`. Throws when the function has no acceptable socket. */
export type Connect = (read: OnReadOpts) => Socket;

/** A connection attempt in progress. */
export interface Dialling {
  /** Cancels the attempt; neither callback is called. */
  destroy(): void;
}

/**
 * Connects to a function. The first connection is retried for a while: a function that binds its socket under the final name
 * makes it visible an instant before it listens, and must not be blamed for a call in that instant. (FDKs rename a socket
 * that already listens.) After the first connection, a refusal means that no process listens.
 */
export class FunctionDialer {
  private retryUntil: MonoMs | undefined;

  constructor(private readonly connect: Connect) {}

  /** Calls one of the callbacks once, never synchronously. */
  dial(read: OnReadOpts, onOpen: (socket: Socket) => void, onFailed: (error: Error) => void): Dialling {
    this.retryUntil ??= later(systemClock.now(), RETRY_FOR_MS);
    const attempt = new Attempt(this, read, onOpen, onFailed);
    attempt.start();
    return attempt;
  }

  /** @throws Error */
  begin(read: OnReadOpts): Socket {
    return this.connect(read);
  }

  opened(): void {
    this.retryUntil = LONG_AGO;
  }

  get mayRetry(): boolean {
    return systemClock.now() < (this.retryUntil ?? LONG_AGO);
  }
}

class Attempt implements Dialling {
  private socket: Socket | undefined;
  private pause: NodeJS.Timeout | undefined;
  private destroyed = false;

  constructor(
    private readonly dialer: FunctionDialer,
    private readonly read: OnReadOpts,
    private readonly onOpen: (socket: Socket) => void,
    private readonly onFailed: (error: Error) => void,
  ) {}

  start(): void {
    let socket: Socket;
    try {
      socket = this.dialer.begin(this.read);
    } catch (error) {
      process.nextTick(() => this.fail(error as Error));
      return;
    }
    this.socket = socket;
    socket.once('error', this.onError).once('connect', this.onConnect);
  }

  destroy(): void {
    this.destroyed = true;
    clearTimeout(this.pause);
    // It may still fail, which is ignored.
    this.socket?.destroy();
  }

  private readonly onConnect = (): void => {
    const { socket } = this;
    if (this.destroyed || socket === undefined) return;
    this.dialer.opened();
    socket.off('error', this.onError);
    this.onOpen(socket);
  };

  private readonly onError = (error: NodeJS.ErrnoException): void => {
    if (this.destroyed) return;
    if (error.code !== 'ECONNREFUSED' || !this.dialer.mayRetry) return this.fail(error);
    this.pause = setTimeout(() => this.start(), PAUSE_MS);
  };

  private fail(error: Error): void {
    if (!this.destroyed) this.onFailed(error);
  }
}
