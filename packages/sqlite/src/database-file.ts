import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync, rmSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Logger } from '@fnfleet/core';

const OWNER_ONLY = 0o600;
const ANYBODY_ELSE = 0o077;
const OTHERS_WRITE = 0o002;
const STICKY = 0o1000;

/** Paths of the write-ahead log of a database, and of the index that its connections share. */
const walOf = (path: string) => `${path}-wal`;
const indexOf = (path: string) => `${path}-shm`;

/**
 * Creates the file and its directory readable only for their owner, before SQLite creates them readable for all. An
 * existing file is left unchanged, because it might not be a database.
 * @throws Error from the file system
 */
export function prepareFile(path: string, logger: Logger): void {
  const directory = dirname(path);
  const firstNew = mkdirSync(directory, { recursive: true, mode: 0o700 });
  const { mode } = statSync(directory);
  if ((mode & OTHERS_WRITE) !== 0 && (mode & STICKY) === 0) {
    logger.warn('any user of this machine can replace the database: its directory is world-writable', { directory });
  }
  try {
    // Never open an existing file: closing it would release the locks of this process on it.
    closeSync(openSync(path, 'wx', OWNER_ONLY));
    syncFolders(directory, firstNew === undefined ? directory : dirname(firstNew));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/**
 * Writes the entries of new files to disk, from a folder up to one that contains it: SQLite itself only does this for the
 * folder of its file.
 */
function syncFolders(from: string, to: string): void {
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    try {
      const descriptor = openSync(folder, 'r');
      try {
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
    } catch {
      // Like SQLite: a folder may not be readable, and some file systems do not sync folders.
    }
    if (folder === resolve(to) || folder === dirname(folder)) return;
  }
}

/** Removes access of other users to the files of a database, and logs that. */
export function closeDatabaseToOthers(path: string, logger: Logger): void {
  for (const file of [path, walOf(path), indexOf(path)]) closeToOthers(file, logger);
}

function closeToOthers(file: string, logger: Logger): void {
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats === undefined || !stats.isFile() || (stats.mode & ANYBODY_ELSE) === 0) return;
  const was = (stats.mode & 0o777).toString(8).padStart(4, '0');
  try {
    chmodSync(file, OWNER_ONLY);
    logger.warn('removed access of other users to the database', { file, was, is: '0600' });
  } catch (error) {
    logger.warn('other users can access the database: chmod 600', { file, mode: was, error });
  }
}

/** Identity of the file at a path; undefined if there is none. */
function identityOf(path: string): string | undefined {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stats && `${stats.dev}:${stats.ino}`;
}

/** Tracks the files of an open database: SQLite continues to write to files that have been deleted. */
export class OpenFiles {
  private readonly database: string | undefined;
  private readonly log: string | undefined;
  private readonly index: string | undefined;

  /** Create it after the database has been read once, so that its log exists. */
  constructor(private readonly path: string) {
    this.database = identityOf(path);
    this.log = identityOf(walOf(path));
    this.index = identityOf(indexOf(path));
  }

  /** Undefined if the files are unchanged. `replaced`: another database is at the path. */
  get trouble(): 'deleted' | 'replaced' | 'left without its log' | undefined {
    const now = identityOf(this.path);
    if (now === undefined) return 'deleted';
    if (now !== this.database) return 'replaced';
    return identityOf(walOf(this.path)) === this.log ? undefined : 'left without its log';
  }

  /** Removes the log and its index, unless they belong to another database by now. */
  removeLog(): void {
    if (identityOf(walOf(this.path)) === this.log) rmSync(walOf(this.path), { force: true });
    if (identityOf(indexOf(this.path)) === this.index) rmSync(indexOf(this.path), { force: true });
  }
}
