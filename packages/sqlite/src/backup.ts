import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { epochMs, systemClock } from '@fnfleet/core';

/** How long to wait for the locks of other processes, milliseconds. */
const WAIT_MS = 10_000;
const OWNER_ONLY = 0o600;
/** A draft that was last written so long ago belongs to a process that was killed. */
const ABANDONED_MS = 3_600_000;
/** What SQLite keeps beside a database. */
const COMPANIONS = ['-wal', '-shm', '-journal'];
/** How often the log is emptied before a database counts as busy. */
const MAX_TRIES = 100;

/**
 * Copies a database that may be in use into a new file: a consistent state, complete and on disk when this returns.
 * @throws Error when the database cannot be read, or when something is at `to`
 */
export function copyDatabase(from: string, to: string): void {
  requireFile(from);
  requireFree(from, to);
  const draft = newDraft(`${to}.new-`);
  try {
    // Created first, because SQLite would create it readable for all.
    closeSync(openSync(draft, 'wx', OWNER_ONLY));
    const database = new DatabaseSync(from, { timeout: WAIT_MS });
    try {
      database.prepare('vacuum into ?').run(draft);
    } finally {
      database.close();
    }
    placeCopy(draft, to);
  } finally {
    removeDatabase(draft);
  }
}

/**
 * Receives a copy of a database that another process has made of one that nobody else can open.
 * @param receive writes it into a new file
 * @throws Error when the copy is damaged, or when something is at `to`
 */
export async function receiveDatabase(
  from: string,
  to: string,
  receive: (draft: string) => Promise<void>,
): Promise<void> {
  requireFree(from, to);
  const draft = newDraft(`${to}.new-`);
  try {
    await receive(draft);
    // One file: a reader needs no log beside it.
    const database = new DatabaseSync(draft);
    database.exec('pragma journal_mode = delete');
    database.close();
    placeCopy(draft, to);
  } finally {
    removeDatabase(draft);
  }
}

/** @throws Error unless a copy of the database can be made there */
function requireFree(from: string, to: string): void {
  if (statSync(to, { throwIfNoEntry: false }) !== undefined) throw new Error(`${to} exists already`);
  // SQLite would take it for the log of the database, and remove it.
  if (COMPANIONS.some((end) => entryOf(to) === `${entryOf(from)}${end}`)) {
    throw new Error(`${to} is a name that SQLite uses for ${from}; choose another one`);
  }
}

function placeCopy(draft: string, to: string): void {
  checkDatabase(draft);
  sync(draft);
  // Unlike a rename, a link never replaces what somebody else has created there in the meantime.
  linkSync(draft, to);
  sync(dirname(to));
}

/**
 * Replaces a database by a copy, also while a process uses it that notices replaced files. The replaced database is kept
 * next to it, under the name `kept`, or a similar one if that is taken.
 * @param prepare called with the file of the new database before it takes its place
 * @returns where the replaced database is now; undefined if there was none
 * @throws Error when the copy is not a sound database; the database is unchanged then
 */
export async function restoreDatabase(
  copy: string,
  path: string,
  { kept, prepare }: { readonly kept: string; readonly prepare: (draft: string) => Promise<void> },
): Promise<string | undefined> {
  requireFile(copy);
  if (hasLog(copy)) {
    throw new Error(
      `the last changes of ${copy} are in ${copy}-wal; save it with "fnfleet backup --db sqlite3://${copy} <file>", and restore that file`,
    );
  }
  checkDatabase(copy);
  // Others may restore at the same time.
  const draft = newDraft(`${path}.restoring-`);
  try {
    copyFileSync(copy, draft, constants.COPYFILE_EXCL);
    chmodSync(draft, OWNER_ONLY);
    await prepare(draft);
    sync(draft);
    const isThere = statSync(path, { throwIfNoEntry: false }) !== undefined;
    const replaced = isThere ? replace(path, draft, kept) : undefined;
    if (!isThere) renameSync(draft, path);
    sync(dirname(path));
    return replaced;
  } finally {
    removeDatabase(draft);
  }
}

/** A file name that no other process uses. Removes what killed processes have left under such names. */
export function newDraft(prefix: string): string {
  const folder = dirname(prefix);
  const start = basename(prefix);
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(start) || !/^[0-9a-f]{12}(-wal|-shm|-journal)?$/.test(name.slice(start.length))) continue;
    const file = join(folder, name);
    const written = statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY;
    if (epochMs(systemClock.wallNow()) - written > ABANDONED_MS) rmSync(file, { force: true });
  }
  return `${prefix}${randomBytes(6).toString('hex')}`;
}

/** The path of a folder entry, whether or not there is one. */
function entryOf(path: string): string {
  return join(realpathSync(dirname(resolve(path))), basename(path));
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

/**
 * Lets the draft take the place of a database. The log of the replaced one is first written into it, and nobody writes until
 * the draft is in place: a log that stayed behind would be read as that of the new database.
 * @returns where the replaced database is
 */
function replace(path: string, draft: string, kept: string): string {
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const database = new DatabaseSync(path, { timeout: WAIT_MS });
    try {
      const { ino } = statSync(path, { bigint: true });
      const result = database.prepare('pragma wal_checkpoint(truncate)').get();
      if (result?.busy !== 0) break;
      database.exec('begin immediate');
      // Others may have written, or restored another backup, before this had the lock.
      const isUnchanged = statSync(path, { bigint: true }).ino === ino && !hasLog(path);
      const place = isUnchanged ? linkUnder(path, kept) : undefined;
      if (isUnchanged) renameSync(draft, path);
      database.exec('rollback');
      if (place !== undefined) return place;
    } finally {
      database.close();
    }
  }
  throw new Error(`${path} is busy; try again`);
}

/** @returns the name that it got: another one if somebody has it already */
function linkUnder(path: string, name: string): string {
  for (let number = 1; ; number += 1) {
    const candidate = number === 1 ? name : `${name}-${number}`;
    try {
      linkSync(path, candidate);
      return candidate;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || number === MAX_TRIES) throw error;
    }
  }
}

function hasLog(path: string): boolean {
  return (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0;
}

export function removeDatabase(path: string): void {
  for (const file of [path, ...COMPANIONS.map((end) => `${path}${end}`)]) rmSync(file, { force: true });
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
