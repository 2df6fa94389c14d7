import { type FSWatcher, watch } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { CancelledError, Deferred, type Logger, Once } from '@fnfleet/core';
import { untilAborted } from '../cancellation.js';
import { findListener, LISTENER_NAME } from './listener-file.js';
import { removeTree } from './remove-tree.js';
import { unmount } from './tmpfs.js';

export interface IofsOptions {
  readonly directory: string;
  /** The same directory as the engine knows it. */
  readonly engineDirectory: string;
  /** A tmpfs is mounted over the directory, and goes with it. */
  readonly mounted: boolean;
  readonly logger: Logger;
}

/**
 * The directory that one container shares with the runner, for the function's socket. It is watched from the moment it
 * exists, before there is a container: the first thing that appears under the socket's name decides, once. After that
 * nothing a function does in there wakes the runner, and each connection looks at the socket anew.
 */
export class Iofs {
  readonly socketPath: string;
  readonly engineDirectory: string;
  private readonly verdict = new Deferred<void>();
  private readonly watcher: FSWatcher;
  private readonly removal = new Once(() => this.remove());

  /** @throws Error when the directory cannot be watched */
  constructor(private readonly options: IofsOptions) {
    this.engineDirectory = options.engineDirectory;
    this.socketPath = join(options.directory, LISTENER_NAME);
    // Nobody may be waiting for it.
    this.verdict.promise.catch(() => undefined);
    this.watcher = watch(options.directory, { persistent: false }, (_event, name) => {
      if (name === LISTENER_NAME) this.look();
    });
    this.watcher.on('error', (cause) => this.reject(new Error('lost the watch on the iofs directory', { cause })));
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
  connect(): Socket {
    const listener = findListener(this.directory);
    if (listener === undefined) throw new Error(`the function has removed its socket ${this.socketPath}`);
    const socket = connect(listener.address);
    return socket.once('connect', () => listener.release()).once('close', () => listener.release());
  }

  /** Removes the directory and ends the watch. Idempotent, never rejects. */
  close(): Promise<void> {
    return this.removal.call();
  }

  private look(): void {
    try {
      const listener = findListener(this.directory);
      if (listener === undefined) return;
      listener.release();
      this.watcher.close();
      this.verdict.resolve();
    } catch (error) {
      this.reject(error);
    }
  }

  private reject(error: unknown): void {
    this.watcher.close();
    this.verdict.reject(error);
  }

  private async remove(): Promise<void> {
    this.reject(new CancelledError());
    const { directory, logger } = this.options;
    try {
      if (this.options.mounted) await unmount(directory);
      await removeTree(directory);
    } catch (error) {
      logger.warn('cannot remove an iofs directory; the next runner to start here will', { directory, error });
    }
  }
}
