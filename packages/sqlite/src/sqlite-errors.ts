import { FnError } from '@fnfleet/core';

/** An error of SQLite, or of the check of its file, as one thread tells another. */
export interface DatabaseProblem {
  readonly message: string;
  /** Extended result code; undefined if the error is not from SQLite. */
  readonly errcode?: number;
  /** The problem with the file, as the end of a sentence: "its file …". */
  readonly fileTrouble?: string;
}

/** A problem with the file that SQLite does not detect. The message is the end of a sentence: "its file …". */
export class FileTrouble extends Error {}

/** Serializes an error for another thread. */
export function problemOf(error: unknown): DatabaseProblem {
  const { message, errcode } = error as { message: string; errcode?: number };
  return { message, errcode, fileTrouble: error instanceof FileTrouble ? message : undefined };
}

// Result codes of SQLite for a violated uniqueness constraint.
const CONSTRAINT_UNIQUE = 2067;
const CONSTRAINT_PRIMARY_KEY = 1555;

/** Primary result codes for a lock that another connection holds. */
const BUSY = 5;
const LOCKED = 6;

/** Reason and remedy by primary result code. */
const FAULTS: Readonly<Record<number, { readonly reason: string; readonly remedy: string }>> = {
  8: { reason: 'it is read-only', remedy: 'make the file and its directory writable for the user of this process' },
  10: {
    reason: 'its files cannot be read or written',
    remedy: 'check its disk (dmesg), and the files with the suffixes -wal and -shm next to it',
  },
  11: { reason: 'its file is damaged', remedy: 'replace it with a backup' },
  13: { reason: 'its disk is full', remedy: 'free space on its disk' },
  14: {
    reason: 'its file or its log cannot be opened',
    remedy: 'its directory must exist and be writable for the user of this process',
  },
  26: { reason: 'its file is not a database', remedy: 'replace it with a backup, or choose another path' },
};

export function isSqliteDuplicate(error: unknown): boolean {
  const { errcode } = ((error as Error).cause ?? error) as { errcode?: unknown };
  return errcode === CONSTRAINT_UNIQUE || errcode === CONSTRAINT_PRIMARY_KEY;
}

/**
 * Translates an error of a database for clients. The cause names the file, the setting and the remedy.
 * @param setting the variable that selects the file
 */
export function translated(path: string, setting: string): (problem: DatabaseProblem) => Error {
  return ({ message, errcode, fileTrouble }) => {
    if (fileTrouble !== undefined) {
      const remedy = 'restore the database or a backup, or restart the node on it';
      const cause = new Error(`${setting}: ${path} ${fileTrouble}: ${remedy}`);
      return new FnError('databaseFailed', { params: { reason: `its file ${fileTrouble}` }, cause });
    }
    const code = errcode === undefined ? undefined : errcode & 0xff;
    if (code === BUSY || code === LOCKED) {
      return new FnError('databaseBusy', {
        cause: new Error(`${setting}: ${path}: ${message}: another process has it locked`),
      });
    }
    const fault = code === undefined ? undefined : FAULTS[code];
    if (fault === undefined) return Object.assign(new Error(message), { errcode });
    const cause = Object.assign(new Error(`${setting}: ${path}: ${message}: ${fault.remedy}`), { errcode });
    return new FnError('databaseFailed', { params: { reason: fault.reason }, cause });
  };
}
