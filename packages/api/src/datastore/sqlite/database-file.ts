import { chmodSync, closeSync, mkdirSync, openSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Logger } from '@fnfleet/core';

const OWNER_ONLY = 0o600;
const ANYBODY_ELSE = 0o077;
const OTHERS_WRITE = 0o002;
const STICKY = 0o1000;

/** The write-ahead log of a database, and the index that its connections share. */
const walOf = (path: string) => `${path}-wal`;
const indexOf = (path: string) => `${path}-shm`;

/**
 * Makes the file, and its directory, readable for their owner alone, before SQLite makes them readable for all. A file that
 * is there already is left as it is: nobody knows yet whether it is a database.
 * @throws Error from the file system
 */
export function prepareFile(path: string, logger: Logger): void {
  const directory = dirname(path);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const { mode } = statSync(directory);
  if ((mode & OTHERS_WRITE) !== 0 && (mode & STICKY) === 0) {
    logger.warn('anybody on this machine can replace the database: its directory is writable for all', { directory });
  }
  try {
    // Never opened when it is there: to close it again would give up the locks that this process has on it.
    closeSync(openSync(path, 'wx', OWNER_ONLY));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Closes a database to other users whose files are open to them, with a line in the log. */
export function closeDatabaseToOthers(path: string, logger: Logger): void {
  for (const file of [path, walOf(path), indexOf(path)]) closeToOthers(file, logger);
}

function closeToOthers(file: string, logger: Logger): void {
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats === undefined || !stats.isFile() || (stats.mode & ANYBODY_ELSE) === 0) return;
  const was = (stats.mode & 0o777).toString(8).padStart(4, '0');
  try {
    chmodSync(file, OWNER_ONLY);
    logger.warn('the database was open to other users, and is not any more', { file, was, is: '0600' });
  } catch (error) {
    logger.warn('the database is open to other users: chmod 600', { file, mode: was, error });
  }
}

/** What is at a path now. Undefined: nothing. */
function identityOf(path: string): string | undefined {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stats && `${stats.dev}:${stats.ino}`;
}

/** Which files belong to a database that is open. SQLite keeps on writing to files that are deleted. */
export class OpenFiles {
  private readonly database: string | undefined;
  private readonly log: string | undefined;
  private readonly index: string | undefined;

  /** To be made when the database has been read once, so that its log is there. */
  constructor(private readonly path: string) {
    this.database = identityOf(path);
    this.log = identityOf(walOf(path));
    this.index = identityOf(indexOf(path));
  }

  /** Undefined: they are where they were. `replaced`: there is another database now. */
  get trouble(): 'deleted' | 'replaced' | 'left without its log' | undefined {
    const now = identityOf(this.path);
    if (now === undefined) return 'deleted';
    if (now !== this.database) return 'replaced';
    return identityOf(walOf(this.path)) === this.log ? undefined : 'left without its log';
  }

  /** Removes the log and its index, unless they are those of another database by now. */
  removeLog(): void {
    if (identityOf(walOf(this.path)) === this.log) rmSync(walOf(this.path), { force: true });
    if (identityOf(indexOf(this.path)) === this.index) rmSync(indexOf(this.path), { force: true });
  }
}
