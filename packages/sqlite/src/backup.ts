import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  linkSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** How long to wait for the locks of other processes, milliseconds. */
const WAIT_MS = 10_000;
const OWNER_ONLY = 0o600;

/**
 * Copies a database that may be in use into a new file: a consistent state, complete and on disk when this returns.
 * @throws Error when the database cannot be read, or when something is at `to`
 */
export function copyDatabase(from: string, to: string): void {
  requireFile(from);
  if (statSync(to, { throwIfNoEntry: false }) !== undefined) throw new Error(`${to} exists already`);
  const draft = `${to}.new`;
  rmSync(draft, { force: true });
  try {
    // Created first, because SQLite would create it readable for all.
    closeSync(openSync(draft, 'wx', OWNER_ONLY));
    const database = new DatabaseSync(from, { timeout: WAIT_MS });
    try {
      database.prepare('vacuum into ?').run(draft);
    } finally {
      database.close();
    }
    checkDatabase(draft);
    sync(draft);
    // Unlike a rename, a link never replaces what somebody else has created there in the meantime.
    linkSync(draft, to);
    sync(dirname(to));
  } finally {
    rmSync(draft, { force: true });
  }
}

/**
 * Replaces a database by a copy, also while a process uses it that notices replaced files. The replaced database is kept
 * next to it, under the name `kept`.
 * @param prepare called with the file of the new database before it takes its place
 * @returns whether there was a database to keep
 * @throws Error when the copy is not a sound database; the database is unchanged then
 */
export async function restoreDatabase(
  copy: string,
  path: string,
  { kept, prepare }: { readonly kept: string; readonly prepare: (draft: string) => Promise<void> },
): Promise<boolean> {
  requireFile(copy);
  checkDatabase(copy);
  const draft = `${path}.restoring`;
  removeDatabase(draft);
  try {
    copyFileSync(copy, draft, constants.COPYFILE_EXCL);
    chmodSync(draft, OWNER_ONLY);
    await prepare(draft);
    sync(draft);
    const isReplaced = statSync(path, { throwIfNoEntry: false }) !== undefined;
    if (isReplaced) {
      emptyLog(path);
      linkSync(path, kept);
    }
    renameSync(draft, path);
    sync(dirname(path));
    return isReplaced;
  } finally {
    removeDatabase(draft);
  }
}

/** @throws Error that names the file */
function checkDatabase(path: string): void {
  let found: unknown;
  try {
    // A copy may be on a medium that cannot be written to, and has no log.
    const database = new DatabaseSync(path, { readOnly: true, timeout: WAIT_MS });
    try {
      found = database.prepare('pragma integrity_check(1)').get()?.integrity_check;
    } finally {
      database.close();
    }
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
  }
  if (found !== 'ok') throw new Error(`${path} is damaged: ${found}`);
}

/** Writes the log of a database into it: a log that stayed behind would be read as that of the new database. */
function emptyLog(path: string): void {
  const database = new DatabaseSync(path, { timeout: WAIT_MS });
  try {
    const result = database.prepare('pragma wal_checkpoint(truncate)').get();
    if (result?.busy !== 0) throw new Error(`${path} is busy; try again`);
  } finally {
    database.close();
  }
}

function removeDatabase(path: string): void {
  for (const file of [path, `${path}-wal`, `${path}-shm`]) rmSync(file, { force: true });
}

function requireFile(path: string): void {
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) throw new Error(`there is no database at ${path}`);
}

function sync(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
