import { chmod, mkdir, mkdtemp, readdir, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type Clock, type Logger, Once, SOCKET_PATH_MAX_BYTES, systemClock } from '@fnfleet/core';
import { SOCKETS_DISK_REMEDY } from '../machine-troubles.js';
import { DirectoryRemover } from './directory-remover.js';
import { HOME_PREFIX, HomeOwnership, isAbandoned, listHomes, MARKS } from './home-ownership.js';
import { Iofs } from './iofs.js';
import { LISTENER_NAME } from './listener-file.js';
import { removeTree } from './remove-tree.js';
import { mountsBelow, mountTmpfs, unmount } from './tmpfs.js';

/** How long a runner that stops, or fails to start, takes to remove its home. */
const REMOVE_HOME_MS = 2_000;
/** Created to find out whether the engine sees a tmpfs. */
const TRIAL = 'trial';

export interface IofsHomeOptions {
  /** Where the home is created. Unset: the temporary directory of the system. */
  readonly parent?: string | undefined;
  /** The path of `parent` for the engine, unless `seenByEngineAs` sets it. Unset: the same. */
  readonly engineParent?: string | undefined;
  /** For functions that run as another user than the runner. */
  readonly writableByAll: boolean;
  /** Mounts a tmpfs over each directory. Unset: none. */
  readonly tmpfs?: IofsTmpfs | undefined;
  readonly clock?: Clock;
  readonly logger: Logger;
}

export interface IofsTmpfs {
  /** Mount options. */
  readonly options: string;
  /** Fail to create a directory without a tmpfs. Otherwise it is mounted where that works and `isSeen`. */
  readonly required: boolean;
  /** Whether containers would see a mount at this path of the engine. */
  readonly isSeen: (engineDirectory: string) => Promise<boolean>;
}

/**
 * Holds the directories that one runner shares with its containers:
 *
 *   <parent>/fnfleetXXXXXX/             0700: no other user of this machine can reach the functions' sockets
 *                          owner        identifies the owner
 *                          alive        a socket that listens as long as the owner lives
 *                          iofsXXXXXX/  one for each container, the only thing a function ever sees
 *
 * On start, a runner removes the homes of killed runners that shared its parent.
 */
export class IofsHome {
  private readonly opening = new Once(() => this.make());
  private readonly closing = new Once(() => this.remove());
  private readonly remover: DirectoryRemover;
  private engineParent: string | undefined;
  /** Mounted over each directory; undefined if there is none. */
  private tmpfs: IofsTmpfs | undefined;
  /** Whether a tmpfs was mounted that the engine sees. */
  private hasMounted = false;
  /** With a tmpfs: created in advance, because mounting starts a process. */
  private spare: Promise<Iofs> | undefined;

  constructor(private readonly options: IofsHomeOptions) {
    const { clock = systemClock, logger } = options;
    this.engineParent = options.engineParent;
    this.tmpfs = options.tmpfs;
    this.remover = new DirectoryRemover({ clock, logger });
  }

  /** How many unused directories are still to be removed. */
  get pendingRemovals(): number {
    return this.remover.pending;
  }

  /** Sets the path of the parent for the engine. Call it before the home is opened. */
  seenByEngineAs(engineParent: string): void {
    this.engineParent = engineParent;
  }

  /**
   * Called by `create` if it was not called before.
   * @throws Error when directories cannot be created there, mounted, or used for a socket
   */
  async open(): Promise<void> {
    if (this.closing.called) throw new Error('the iofs home is closed');
    await this.opening.call();
  }

  /** Creates the directory of one container. @throws Error */
  async create(): Promise<Iofs> {
    await this.open();
    const { directory } = await this.opening.call();
    if (this.tmpfs === undefined) return this.makeIofs(directory);
    const spare = this.spare ?? this.makeIofs(directory);
    this.spare = undefined;
    const iofs = await spare;
    if (this.spare === undefined && !this.closing.called) {
      this.spare = this.makeIofs(directory);
      // The caller that takes it gets the failure.
      this.spare.catch(() => undefined);
    }
    return iofs;
  }

  /** Removes the home with its contents. Idempotent, never rejects. */
  close(): Promise<void> {
    return this.closing.call();
  }

  private async make(): Promise<Home> {
    const { parent = tmpdir(), engineParent, logger } = this.options;
    if (engineParent !== undefined && this.options.parent === undefined) {
      throw new Error('FN_IOFS_DOCKER_PATH requires FN_IOFS_PATH: both name the same directory');
    }
    await this.removeAbandonedHomes(parent, logger);
    const directory = await makeDirectory(join(parent, HOME_PREFIX));
    let ownership: HomeOwnership | undefined;
    try {
      ownership = await HomeOwnership.take(directory);
      // Find out now, not at the first call, whether it works.
      await this.tryIofs(directory);
      return { directory, ownership };
    } catch (error) {
      await ownership?.close();
      await removeHome(directory, AbortSignal.timeout(REMOVE_HOME_MS));
      throw error;
    }
  }

  private async tryIofs(home: string): Promise<void> {
    const { tmpfs, logger } = this.options;
    if (tmpfs !== undefined && !tmpfs.required) {
      const obstacle = await this.obstacleToTmpfs(home, tmpfs);
      if (obstacle === undefined) return;
      this.tmpfs = undefined;
      logger.info('socket directories are not on a tmpfs: functions can fill the disk', { reason: obstacle });
    }
    await (await this.makeIofs(home)).close();
  }

  /** Why a tmpfs cannot be used; undefined if it can. */
  private async obstacleToTmpfs(home: string, { isSeen }: IofsTmpfs): Promise<string | undefined> {
    let iofs: Iofs;
    try {
      iofs = await this.makeIofs(home);
    } catch (error) {
      return (error as Error).message;
    }
    try {
      // Created in the tmpfs, not in the directory below it.
      await mkdir(join(iofs.directory, TRIAL));
      this.hasMounted = await isSeen(join(iofs.engineDirectory, TRIAL));
      if (this.hasMounted) return undefined;
      return 'the engine does not see the mounts of the runner, or does not report them';
    } finally {
      await iofs.close();
    }
  }

  private async makeIofs(home: string): Promise<Iofs> {
    const { engineParent } = this;
    const { writableByAll } = this.options;
    const directory = await makeDirectory(join(home, 'iofs'));
    let mounted = false;
    try {
      checkLength(join(directory, LISTENER_NAME));
      mounted = await this.mountOver(directory);
      // mkdtemp creates it with mode 0700, and a mode given to mkdir would be masked by the umask.
      if (!mounted && writableByAll) await openToAll(directory);
      const engineDirectory =
        engineParent === undefined ? directory : join(engineParent, basename(home), basename(directory));
      return new Iofs({ directory, engineDirectory, remove: () => this.removeIofs(directory, mounted) });
    } catch (error) {
      await this.removeIofs(directory, mounted);
      throw error;
    }
  }

  private async mountOver(directory: string): Promise<boolean> {
    if (this.tmpfs === undefined) return false;
    const { options, required } = this.tmpfs;
    try {
      await mountTmpfs(directory, options);
      return true;
    } catch (error) {
      // Once it has worked, a machine that runs out of mounts or processes must not stop functions.
      if (!this.hasMounted || required) throw error;
      this.options.logger.warn('cannot mount a tmpfs for a socket directory: its function can fill the disk', {
        directory,
        error,
      });
      return false;
    }
  }

  private removeIofs(directory: string, mounted: boolean): Promise<void> {
    return this.remover.remove(directory, async (signal) => {
      // Unmounting discards the contents. On a retry there may be nothing to unmount.
      if (mounted) await unmount(directory).catch(() => undefined);
      await removeAll(directory, signal);
    });
  }

  private async remove(): Promise<void> {
    const home = this.opening.called ? await this.opening.call().catch(() => undefined) : undefined;
    await (await this.spare?.catch(() => undefined))?.close();
    await this.remover.close();
    if (home === undefined) return;
    const { directory, ownership } = home;
    await ownership.close();
    await removeHome(directory, AbortSignal.timeout(REMOVE_HOME_MS)).catch((error: unknown) => {
      this.options.logger.warn('cannot remove a socket directory, leaving it to the next runner that starts here', {
        directory,
        error,
      });
    });
  }

  /** A removal that takes long does not delay the start of the runner. */
  private async removeAbandonedHomes(parent: string, logger: Logger): Promise<void> {
    const homes = await listHomes(parent);
    const removals = homes.map(async (home) => {
      // Another starting runner may have removed it already.
      if (!(await isAbandoned(home).catch(() => false))) return;
      await this.remover.remove(home, async (signal) => {
        await removeHome(home, signal);
        logger.info('removed the socket directories of a previous runner', { directory: home });
      });
    });
    await Promise.all(removals);
  }
}

interface Home {
  readonly directory: string;
  readonly ownership: HomeOwnership;
}

/** Removes the marks last, so that remains can be distinguished from homes in use. */
async function removeHome(home: string, signal: AbortSignal): Promise<void> {
  const mounts = await mountsBelow(home);
  for (const mount of mounts) await unmount(mount);
  const names = await readdir(home);
  const failures: unknown[] = [];
  for (const name of names.filter((name) => !MARKS.includes(name))) {
    await removeTree(join(home, name), signal).catch((error: unknown) => failures.push(error));
  }
  if (failures.length > 0) throw failures[0];
  for (const name of MARKS) await rm(join(home, name), { force: true });
  await rmdir(home);
}

/** Removes a directory, including mounts in it. */
async function removeAll(directory: string, signal: AbortSignal): Promise<void> {
  try {
    await removeTree(directory, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
    for (const mount of await mountsBelow(directory)) await unmount(mount);
    await removeTree(directory, signal);
  }
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
