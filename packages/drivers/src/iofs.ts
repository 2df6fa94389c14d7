import { type FSWatcher, watch } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { CancelledError, Deferred, type Logger, Once, text } from '@fnfleet/core';
import { untilAborted } from './cancellation.js';
import { checkListenerFile, LISTENER_NAME } from './listener-file.js';

/** What a unix socket's address holds, without the NUL at its end. */
const SOCKET_PATH_MAX_BYTES = 107;

export const iofsSettings = {
  iofsPath: text('FN_IOFS_PATH', {
    doc: "Where the directories are made that hold the functions' sockets. Unset: the system's temporary directory. Keep it short: a socket's path has at most 107 bytes.",
  }),
  iofsDockerPath: text('FN_IOFS_DOCKER_PATH', {
    doc: 'What FN_IOFS_PATH is called where the Docker engine runs, for a runner that itself runs in a container.',
  }),
} as const;

export interface IofsOptions {
  /** Where the directory is made. Unset: the system's temporary directory. */
  readonly parent?: string | undefined;
  /** What `parent` is called on the engine's side. Unset: the same. */
  readonly engineParent?: string | undefined;
  /** For functions that run under another user than the runner. */
  readonly writableByAll: boolean;
  readonly logger: Logger;
}

/**
 * The directory that one container shares with the runner, for the function's socket. It is watched from the moment it
 * exists, before there is a container: the first thing that appears under the socket's name decides, once.
 */
export class Iofs {
  readonly socketPath: string;
  private readonly verdict = new Deferred<void>();
  private readonly watcher: FSWatcher;
  private readonly removal = new Once(() => this.remove());

  private constructor(
    readonly directory: string,
    /** The same directory as the engine knows it. */
    readonly engineDirectory: string,
    private readonly logger: Logger,
  ) {
    this.socketPath = join(directory, LISTENER_NAME);
    // Nobody may be waiting for it.
    this.verdict.promise.catch(() => undefined);
    this.watcher = watch(directory, { persistent: false }, (_event, name) => {
      if (name === LISTENER_NAME) void this.look();
    });
    this.watcher.on('error', (cause) =>
      this.verdict.reject(new Error('lost the watch on the iofs directory', { cause })),
    );
  }

  /** @throws Error when the directory cannot be made, watched or used for a socket */
  static async create(options: IofsOptions): Promise<Iofs> {
    const { parent = tmpdir(), engineParent } = options;
    if (engineParent !== undefined && options.parent === undefined) {
      throw new Error('FN_IOFS_DOCKER_PATH needs FN_IOFS_PATH: they name one directory from two sides');
    }
    const directory = await mkdtemp(join(parent, 'iofs')).catch((cause) => {
      throw new Error(`cannot create tmpdir for iofs: ${(cause as Error).message}`, { cause });
    });
    try {
      const bytes = Buffer.byteLength(join(directory, LISTENER_NAME));
      if (bytes > SOCKET_PATH_MAX_BYTES) {
        throw new Error(
          `${directory} is too long for a socket (${bytes} of ${SOCKET_PATH_MAX_BYTES} bytes): shorten FN_IOFS_PATH`,
        );
      }
      // mkdtemp makes it 0700, and a mode given to mkdir would go through the umask.
      if (options.writableByAll) await chmod(directory, 0o777);
      const engineDirectory = engineParent === undefined ? directory : join(engineParent, basename(directory));
      return new Iofs(directory, engineDirectory, options.logger);
    } catch (error) {
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /**
   * Resolves when an acceptable socket is there.
   * @throws FnError `containerInitFailed` when something else is, CancelledError on abort or after `close`
   */
  listening(signal: AbortSignal): Promise<void> {
    void this.look();
    return untilAborted(this.verdict.promise, signal);
  }

  /** Removes the directory and ends the watch. Idempotent, never rejects. */
  close(): Promise<void> {
    return this.removal.call();
  }

  private async look(): Promise<void> {
    try {
      if (await checkListenerFile(this.directory)) this.verdict.resolve();
    } catch (error) {
      this.verdict.reject(error);
    }
  }

  private async remove(): Promise<void> {
    this.watcher.close();
    this.verdict.reject(new CancelledError());
    try {
      await rm(this.directory, { recursive: true, force: true });
    } catch (error) {
      this.logger.warn('cannot remove an iofs directory', { directory: this.directory, error });
    }
  }
}
