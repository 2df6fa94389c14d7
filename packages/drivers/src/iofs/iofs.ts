import { type FSWatcher, watch } from 'node:fs';
import { connect, type OnReadOpts, type Socket } from 'node:net';
import { join } from 'node:path';
import { CancelledError, Deferred, Once } from '@fnfleet/core';
import { untilAborted } from '../waiting.js';
import { findListener, LISTENER_NAME } from './listener-file.js';

export interface IofsOptions {
  readonly directory: string;
  /** The path of the same directory for the engine. */
  readonly engineDirectory: string;
  /** Removes the directory. Never rejects. */
  readonly remove: () => Promise<void>;
}

/** How many events for names other than the socket's are handled. FDKs cause a handful. */
const MAX_EVENTS = 1_000;
/** After that the directory is polled at this interval, milliseconds. */
const LOOK_EVERY_MS = 20;

/**
 * The directory that one container shares with the runner, for the function's socket. It is watched as soon as it exists,
 * before there is a container: whatever first appears under the socket's name decides, once. After that nothing that the
 * function does in the directory wakes the runner, and each connection checks the socket again. If a function keeps changing
 * other files, the watch is replaced by polling.
 */
export class Iofs {
  readonly socketPath: string;
  readonly engineDirectory: string;
  private readonly verdict = new Deferred<void>();
  private readonly watcher: FSWatcher;
  private events = 0;
  /** Set once polling has replaced the watcher. */
  private polling: NodeJS.Timeout | undefined;
  private readonly removal = new Once(() => this.remove());

  /** @throws Error when the directory cannot be watched */
  constructor(private readonly options: IofsOptions) {
    this.engineDirectory = options.engineDirectory;
    this.socketPath = join(options.directory, LISTENER_NAME);
    // There may be no waiter.
    this.verdict.promise.catch(() => undefined);
    this.watcher = watch(options.directory, { persistent: false }, (_event, name) => {
      if (name === LISTENER_NAME) this.look();
      else this.countEvent();
    });
    this.watcher.on('error', (cause) => this.reject(new Error('lost the watch on the socket directory', { cause })));
  }

  get directory(): string {
    return this.options.directory;
  }

  /**
   * Resolves when there is an acceptable socket.
   * @throws FnError `containerInitFailed` when there is something else, CancelledError on abort or after `close`
   */
  listening(signal: AbortSignal): Promise<void> {
    this.look();
    return untilAborted(this.verdict.promise, signal);
  }

  /**
   * Begins a connection to the current socket.
   * @throws FnError `containerInitFailed` when it is no longer acceptable, Error when it is gone
   */
  connect(read?: OnReadOpts): Socket {
    const listener = findListener(this.directory);
    if (listener === undefined) throw new Error(`the function removed its socket ${this.socketPath}`);
    const socket = connect({ path: listener.address, ...(read === undefined ? {} : { onread: read }) });
    return socket.once('connect', () => listener.release()).once('close', () => listener.release());
  }

  /** Ends the watch and removes the directory, in the background if that takes long. Idempotent, never rejects. */
  close(): Promise<void> {
    return this.removal.call();
  }

  private countEvent(): void {
    this.events += 1;
    if (this.events !== MAX_EVENTS) return;
    this.watcher.close();
    this.polling = setInterval(() => this.look(), LOOK_EVERY_MS).unref();
  }

  private look(): void {
    try {
      const listener = findListener(this.directory);
      if (listener === undefined) return;
      listener.release();
      this.stopLooking();
      this.verdict.resolve();
    } catch (error) {
      this.reject(error);
    }
  }

  private stopLooking(): void {
    this.watcher.close();
    clearInterval(this.polling);
  }

  private reject(error: unknown): void {
    this.stopLooking();
    this.verdict.reject(error);
  }

  private remove(): Promise<void> {
    this.reject(new CancelledError());
    return this.options.remove();
  }
}
