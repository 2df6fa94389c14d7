import type { OnReadOpts, Socket } from 'node:net';
import { LONG_AGO, later, type MonoMs, systemClock } from '@fnfleet/core';

/** How long a function's first connection may be refused, and the pause between tries, milliseconds. */
const PATIENCE_MS = 1_000;
const PAUSE_MS = 5;

/** Begins a connection, or throws when the function has no acceptable socket. What arrives goes to `read`. */
export type Connect = (read: OnReadOpts) => Socket;

/** A connection on its way. */
export interface Dialling {
  /** Nobody wants it any more, and nobody is called back. */
  stop(): void;
}

/**
 * Dials a function. The very first time with patience: a function that binds its socket under the final name shows it an
 * instant before it listens, and a call in that instant must not be blamed on it. (FDKs rename a socket that listens
 * already.) Later a refusal means that nobody is there.
 */
export class FunctionDialer {
  private patientUntil: MonoMs | undefined;

  constructor(private readonly connect: Connect) {}

  /** Calls back once, never before it has returned. */
  dial(read: OnReadOpts, onOpen: (socket: Socket) => void, onFailed: (error: Error) => void): Dialling {
    this.patientUntil ??= later(systemClock.now(), PATIENCE_MS);
    const attempt = new Attempt(this, read, onOpen, onFailed);
    attempt.begin();
    return attempt;
  }

  /** @throws Error */
  begin(read: OnReadOpts): Socket {
    return this.connect(read);
  }

  opened(): void {
    this.patientUntil = LONG_AGO;
  }

  get isPatient(): boolean {
    return systemClock.now() < (this.patientUntil ?? LONG_AGO);
  }
}

class Attempt implements Dialling {
  private socket: Socket | undefined;
  private pause: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(
    private readonly dialer: FunctionDialer,
    private readonly read: OnReadOpts,
    private readonly onOpen: (socket: Socket) => void,
    private readonly onFailed: (error: Error) => void,
  ) {}

  begin(): void {
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

  stop(): void {
    this.stopped = true;
    clearTimeout(this.pause);
    // It may still fail, which nobody has to know.
    this.socket?.destroy();
  }

  private readonly onConnect = (): void => {
    const { socket } = this;
    if (this.stopped || socket === undefined) return;
    this.dialer.opened();
    socket.off('error', this.onError);
    this.onOpen(socket);
  };

  private readonly onError = (error: NodeJS.ErrnoException): void => {
    if (this.stopped) return;
    if (error.code !== 'ECONNREFUSED' || !this.dialer.isPatient) return this.fail(error);
    this.pause = setTimeout(() => this.begin(), PAUSE_MS);
  };

  private fail(error: Error): void {
    if (!this.stopped) this.onFailed(error);
  }
}
