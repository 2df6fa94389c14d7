import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type Logger, Once } from '@fnfleet/core';
import { SOCKETS_DISK_REMEDY } from '../machine/machine-troubles.js';
import { HOME_PREFIX, HomeOwnership, isAbandoned, listHomes } from './home-ownership.js';
import { Iofs } from './iofs.js';
import { LISTENER_NAME } from './listener-file.js';
import { removeTree } from './remove-tree.js';
import { mountsBelow, mountTmpfs, unmount } from './tmpfs.js';

/** What a unix socket's address holds, without the NUL at its end. */
const SOCKET_PATH_MAX_BYTES = 107;

export interface IofsHomeOptions {
  /** Where the home is made. Unset: the system's temporary directory. */
  readonly parent?: string | undefined;
  /** What `parent` is called on the engine's side. Unset: the same. */
  readonly engineParent?: string | undefined;
  /** For functions that run under another user than the runner. */
  readonly writableByAll: boolean;
  /** Options of a tmpfs over each directory. Unset: none is mounted. */
  readonly tmpfs?: string | undefined;
  readonly logger: Logger;
}

/**
 * Where one runner makes the directories that it shares with its containers:
 *
 *   <parent>/fnfleetXXXXXX/             0700: no other user of this machine gets at the functions' sockets
 *                          owner        whose it is
 *                          alive        a socket that listens as long as the owner lives
 *                          iofsXXXXXX/  one for each container, the only thing a function ever sees
 *
 * Runners that share a parent remove what was left by those that were killed, when they start.
 */
export class IofsHome {
  private readonly opening = new Once(() => this.make());
  private readonly closing = new Once(() => this.remove());

  private engineParent: string | undefined;

  constructor(private readonly options: IofsHomeOptions) {
    this.engineParent = options.engineParent;
  }

  /** What the parent is called on the engine's side. Before the home is opened. */
  seenByEngineAs(engineParent: string): void {
    this.engineParent = engineParent;
  }

  /**
   * Called by `create` if nobody did before.
   * @throws Error when directories cannot be made there, mounted, or used for a socket
   */
  async open(): Promise<void> {
    if (this.closing.called) throw new Error('the iofs home is closed');
    await this.opening.call();
  }

  /** Makes the directory of one container. @throws Error */
  async create(): Promise<Iofs> {
    await this.open();
    return this.makeIofs((await this.opening.call()).directory);
  }

  /** Removes the home and what is left in it. Idempotent, never rejects. */
  close(): Promise<void> {
    return this.closing.call();
  }

  private async make(): Promise<Home> {
    const { parent = tmpdir(), engineParent, logger } = this.options;
    if (engineParent !== undefined && this.options.parent === undefined) {
      throw new Error('FN_IOFS_DOCKER_PATH needs FN_IOFS_PATH: they name one directory from two sides');
    }
    await removeAbandonedHomes(parent, logger);
    const directory = await makeDirectory(join(parent, HOME_PREFIX));
    let ownership: HomeOwnership | undefined;
    try {
      ownership = await HomeOwnership.take(directory);
      // What cannot work is found now, not at the first call.
      await (await this.makeIofs(directory)).close();
      return { directory, ownership };
    } catch (error) {
      await ownership?.release();
      await removeHome(directory);
      throw error;
    }
  }

  private async makeIofs(home: string): Promise<Iofs> {
    const { engineParent } = this;
    const { writableByAll, tmpfs, logger } = this.options;
    const directory = await makeDirectory(join(home, 'iofs'));
    let mounted = false;
    try {
      checkLength(join(directory, LISTENER_NAME));
      if (tmpfs !== undefined) await mountTmpfs(directory, tmpfs);
      // mkdtemp makes it 0700, and a mode given to mkdir would go through the umask.
      else if (writableByAll) await openToAll(directory);
      mounted = tmpfs !== undefined;
      const engineDirectory =
        engineParent === undefined ? directory : join(engineParent, basename(home), basename(directory));
      return new Iofs({ directory, engineDirectory, mounted, logger });
    } catch (error) {
      if (mounted) await unmount(directory).catch(() => undefined);
      await removeTree(directory);
      throw error;
    }
  }

  private async remove(): Promise<void> {
    const home = this.opening.called ? await this.opening.call().catch(() => undefined) : undefined;
    if (home === undefined) return;
    try {
      await home.ownership.release();
      await removeHome(home.directory);
    } catch (error) {
      this.options.logger.warn('cannot remove an iofs directory', { directory: home.directory, error });
    }
  }
}

interface Home {
  readonly directory: string;
  readonly ownership: HomeOwnership;
}

async function removeAbandonedHomes(parent: string, logger: Logger): Promise<void> {
  for (const home of await listHomes(parent)) {
    try {
      if (!(await isAbandoned(home))) continue;
      await removeHome(home);
      logger.info('removed the iofs directories of an earlier runner', { directory: home });
    } catch (error) {
      logger.warn('cannot remove the iofs directories of an earlier runner', { directory: home, error });
    }
  }
}

async function removeHome(directory: string): Promise<void> {
  for (const mount of await mountsBelow(directory)) await unmount(mount);
  await removeTree(directory);
}

function makeDirectory(prefix: string): Promise<string> {
  return mkdtemp(prefix).catch((cause: NodeJS.ErrnoException) => {
    const remedy = cause.code === 'ENOSPC' ? `. The disk is full: ${SOCKETS_DISK_REMEDY}` : '';
    throw new Error(`cannot create tmpdir for iofs: ${cause.message}${remedy}`, { cause });
  });
}

function openToAll(directory: string): Promise<void> {
  return chmod(directory, 0o777).catch((cause: Error) => {
    throw new Error(`cannot change iofs mod: ${cause.message}`, { cause });
  });
}

function checkLength(socketPath: string): void {
  const bytes = Buffer.byteLength(socketPath);
  if (bytes <= SOCKET_PATH_MAX_BYTES) return;
  throw new Error(
    `${socketPath} is too long for a socket (${bytes} of ${SOCKET_PATH_MAX_BYTES} bytes): shorten FN_IOFS_PATH`,
  );
}
