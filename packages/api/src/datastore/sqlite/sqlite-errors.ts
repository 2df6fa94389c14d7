import { FnError } from '@fnfleet/core';
import type { DatabaseProblem } from './messages.js';

// Result codes of SQLite for a row that breaks a uniqueness rule.
const CONSTRAINT_UNIQUE = 2067;
const CONSTRAINT_PRIMARY_KEY = 1555;

/** Primary result codes that say that somebody else has the lock. */
const BUSY = 5;
const LOCKED = 6;

/** By primary result code: what is wrong, and what to do. */
const FAULTS: Readonly<Record<number, { readonly reason: string; readonly remedy: string }>> = {
  8: { reason: 'it is read-only', remedy: 'file and directory have to be writable for the user of this process' },
  10: {
    reason: 'its files cannot be read or written',
    remedy: 'look at its disk (dmesg), and at what there is at the path with -wal and -shm at its end',
  },
  11: { reason: 'its file is damaged', remedy: 'put a backup in its place' },
  13: { reason: 'there is no room left for it', remedy: 'make room on its disk' },
  14: {
    reason: 'its file or its log cannot be opened',
    remedy: 'its directory has to exist and to be writable for the user of this process',
  },
  26: { reason: 'its file is not a database', remedy: 'put a backup in its place, or choose another path' },
};

export function isSqliteDuplicate(error: unknown): boolean {
  const { errcode } = ((error as Error).cause ?? error) as { errcode?: unknown };
  return errcode === CONSTRAINT_UNIQUE || errcode === CONSTRAINT_PRIMARY_KEY;
}

/** An error of a database as a client may know it. The cause names the file, the setting and what to do. */
export function translated(path: string): (problem: DatabaseProblem) => Error {
  return ({ message, errcode, fileTrouble }) => {
    if (fileTrouble !== undefined) {
      const remedy = 'put the database back, or a backup in its place';
      const cause = new Error(`FN_DB_URL: ${path} ${fileTrouble}: ${remedy}`);
      return new FnError('databaseFailed', { params: { reason: `its file ${fileTrouble}` }, cause });
    }
    const code = errcode === undefined ? undefined : errcode & 0xff;
    if (code === BUSY || code === LOCKED) {
      return new FnError('databaseBusy', {
        cause: new Error(`FN_DB_URL: ${path}: ${message}: another process has it`),
      });
    }
    const fault = code === undefined ? undefined : FAULTS[code];
    if (fault === undefined) return Object.assign(new Error(message), { errcode });
    const cause = Object.assign(new Error(`FN_DB_URL: ${path}: ${message}: ${fault.remedy}`), { errcode });
    return new FnError('databaseFailed', { params: { reason: fault.reason }, cause });
  };
}
