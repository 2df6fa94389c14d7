import { type FSWatcher, watch } from 'node:fs';
import { connect, type OnReadOpts, type Socket } from 'node:net';
import { join } from 'node:path';
import { CancelledError, Deferred, Once } from '@fnfleet/core';
import { untilAborted } from '../cancellation.js';
import { findListener, LISTENER_NAME } from './listener-file.js';

export interface IofsOptions {
  readonly directory: string;
  /** The same directory as the engine knows it. */
  readonly engineDirectory: string;
  /** Removes the directory. Never rejects. */
  readonly remove: () => Promise<void>;
}

/** So many changes under other names than the socket's are looked at as they come; FDKs make a handful. */
const MAX_EVENTS = 1_000;
/** After that the directory is looked at by the clock, milliseconds. */
const LOOK_EVERY_MS = 20;

/**
 * The directory that one container shares with the runner, for the function's socket. It is watched from the moment it
 * exists, before there is a container: the first thing that appears under the socket's name decides, once. After that
 * nothing a function does in there wakes the runner, and each connection looks at the socket anew. A function that changes
 * other things in there without end is not listened to.
 */
export class Iofs {
  readonly socketPath: string;
  readonly engineDirectory: string;
  private readonly verdict = new Deferred<void>();
  private readonly watcher: FSWatcher;
  private events = 0;
  /** Set when the watcher was given up. */
  private polling: NodeJS.Timeout | undefined;
  private readonly removal = new Once(() => this.remove());

  /** @throws Error when the directory cannot be watched */
  constructor(private readonly options: IofsOptions) {
    this.engineDirectory = options.engineDirectory;
    this.socketPath = join(options.directory, LISTENER_NAME);
    // Nobody may be waiting for it.
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
   * Resolves when an acceptable socket is there.
   * @throws FnError `containerInitFailed` when something else is, CancelledError on abort or after `close`
   */
  listening(signal: AbortSignal): Promise<void> {
    this.look();
    return untilAborted(this.verdict.promise, signal);
  }

  /**
   * Begins a connection to the socket that is there now.
   * @throws FnError `containerInitFailed` when it is not acceptable any more, Error when it is gone
   */
  connect(read?: OnReadOpts): Socket {
    const listener = findListener(this.directory);
    if (listener === undefined) throw new Error(`the function removed its socket ${this.socketPath}`);
    const socket = connect({ path: listener.address, ...(read === undefined ? {} : { onread: read }) });
    return socket.once('connect', () => listener.release()).once('close', () => listener.release());
  }

  /** Ends the watch and removes the directory; what takes long is left to the background. Idempotent, never rejects. */
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
