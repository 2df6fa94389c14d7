import { FnError } from '@fnfleet/core';
import type { PostgresTarget } from './postgres-url.js';

const UNIQUE_VIOLATION = '23505';
const READ_ONLY = '25006';
const LOCK_TIMEOUT = '55P03';
const CANCELLED = '57014';
/** Another transaction has to go first: the whole transaction may be repeated. */
const CONFLICTS: ReadonlySet<string> = new Set(['40001', '40P01']);

interface Fault {
  readonly reason: string;
  readonly remedy: string;
  /** Whether it may pass without anybody doing something about it. */
  readonly passes?: boolean;
}

const UNREACHABLE: Fault = {
  reason: 'its server cannot be reached',
  remedy: 'check that it runs, its address and firewalls',
  passes: true,
};
const LOST: Fault = { reason: 'its server closed the connection', remedy: 'check that it runs', passes: true };
const NOT_READY: Fault = {
  reason: 'its server is starting or stopping',
  remedy: 'wait until it is ready',
  passes: true,
};
const NO_ROOM: Fault = {
  reason: 'its server has too many connections',
  remedy: 'raise max_connections there, or lower FN_DB_MAX_CONNECTIONS of the API nodes',
  passes: true,
};
const NO_LOGIN: Fault = {
  reason: 'its server refuses the login',
  remedy: 'check user and password in the URL, and pg_hba.conf on the server',
};
const NO_TABLES: Fault = {
  reason: 'its tables are missing or were changed',
  remedy: 'restore a backup, or restart the node to create them',
};
const NO_TLS: Fault = { reason: 'TLS with its server failed', remedy: 'check sslmode and sslrootcert in the URL' };

/** By SQLSTATE, by its class, or by an error code of Node. */
const FAULTS: Readonly<Record<string, Fault>> = {
  ECONNREFUSED: UNREACHABLE,
  ENOENT: UNREACHABLE,
  ENOTFOUND: UNREACHABLE,
  EAI_AGAIN: UNREACHABLE,
  EHOSTUNREACH: UNREACHABLE,
  ENETUNREACH: UNREACHABLE,
  EHOSTDOWN: UNREACHABLE,
  ETIMEDOUT: UNREACHABLE,
  EACCES: { ...UNREACHABLE, remedy: 'check the permissions of its socket' },
  ECONNRESET: LOST,
  EPIPE: LOST,
  '08': LOST,
  '57P01': LOST,
  '57P02': LOST,
  '57P03': NOT_READY,
  '57P05': LOST,
  '25P03': LOST,
  '53300': NO_ROOM,
  '53100': { reason: 'its disk is full', remedy: 'free space on the disk of the server' },
  '53200': { reason: 'its server has no memory', remedy: 'free memory on the server', passes: true },
  '53': { reason: 'its server has no resources', remedy: 'see the log of the server', passes: true },
  [READ_ONLY]: {
    reason: 'it is read-only',
    remedy: 'connect to the primary server, and check default_transaction_read_only',
  },
  '28': NO_LOGIN,
  '3D': { reason: 'it does not exist', remedy: 'create it: createdb --encoding=UTF8' },
  '42501': {
    reason: 'its user lacks permissions',
    remedy: 'make the user the owner of the database, or grant it create and usage on the schema',
  },
  '42P01': NO_TABLES,
  '42703': NO_TABLES,
  '3F': { reason: 'it has no schema to create tables in', remedy: 'check search_path of its user' },
  '58': { reason: 'its files cannot be read or written', remedy: 'check the disk and the log of the server' },
  XX: { reason: 'it is damaged', remedy: 'see the log of the server, and restore a backup' },
};

/** Connection errors of `pg` have no code. */
const BY_MESSAGE: readonly (readonly [RegExp, Fault])[] = [
  [/^Connection terminated|^Client was closed|^Client has encountered a connection error/, LOST],
  [/timeout/i, UNREACHABLE],
  [/does not support SSL/, { ...NO_TLS, remedy: 'add sslmode=disable to the URL, or enable TLS on the server' }],
  [/SSL|TLS|certificate/i, NO_TLS],
  [/password|SASL|SCRAM/, NO_LOGIN],
];

/** An error of `pg`, as far as it is known. */
interface DriverError {
  readonly message: string;
  readonly code?: string | undefined;
}

interface FaultMarks {
  /** SQLSTATE, or the code of Node. */
  readonly code?: string | undefined;
  /** Whether it may pass without anybody doing something about it. */
  readonly passes?: boolean;
  /** Whether the connection should not be used again. */
  readonly breaksConnection?: boolean;
  /** Whether a transaction that failed before its commit may be repeated at once. */
  readonly mayRepeat?: boolean;
}

/** The cause of an error of the store: the connection, the setting and the remedy for the log, and what follows from it. */
export class PostgresFault extends Error {
  override readonly name = 'PostgresFault';

  constructor(
    message: string,
    readonly marks: FaultMarks,
  ) {
    super(message);
  }
}

/** What follows from an error of the store. */
export function marksOf(error: unknown): FaultMarks {
  const { cause } = error as { cause?: unknown };
  return cause instanceof PostgresFault ? cause.marks : {};
}

export function isPostgresDuplicate(error: unknown): boolean {
  return (error as DriverError).code === UNIQUE_VIOLATION;
}

/**
 * Translates an error of `pg` for clients. The cause names the setting, the database and the remedy.
 * @param target which database
 */
export function translatedError(error: unknown, { setting, shown }: Pick<PostgresTarget, 'setting' | 'shown'>): Error {
  const { message, code } = error as DriverError;
  if (error instanceof FnError || code === UNIQUE_VIOLATION) return error as Error;
  const because = (remedy: string, marks: FaultMarks) =>
    new PostgresFault(`${setting}: ${shown}: ${message}: ${remedy}`, { ...marks, code });
  if (code !== undefined && CONFLICTS.has(code)) {
    return new FnError('databaseBusy', {
      cause: because('other writers of the database were faster', { passes: true, mayRepeat: true }),
    });
  }
  if (code === LOCK_TIMEOUT) {
    return new FnError('databaseBusy', { cause: because('another session has it locked', { passes: true }) });
  }
  if (code === CANCELLED) {
    return new FnError('databaseSlow', {
      cause: because(`raise ${setting.replace(/_URL$/, '_TIMEOUT_MSECS')} if it is always slow`, { passes: true }),
    });
  }
  const fault = faultOf({ message, code });
  if (fault === undefined) return error as Error;
  const { reason, remedy, passes } = fault;
  const breaksConnection = fault === LOST || fault === UNREACHABLE || fault === NOT_READY || code === READ_ONLY;
  const cause = because(remedy, { passes, breaksConnection, mayRepeat: fault === LOST });
  return new FnError('databaseFailed', { params: { reason }, cause });
}

function faultOf({ message, code }: DriverError): Fault | undefined {
  if (code !== undefined && Object.hasOwn(FAULTS, code)) return FAULTS[code];
  // The first two characters of an SQLSTATE are its class.
  const ofClass = code !== undefined && /^[0-9A-Z]{5}$/.test(code) ? FAULTS[code.slice(0, 2)] : undefined;
  return ofClass ?? BY_MESSAGE.find(([pattern]) => pattern.test(message))?.[1];
}
