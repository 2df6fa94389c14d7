import { type Clock, type Logger, later, Once, SettingsError, silentLogger, systemClock } from '@fnfleet/core';
import { type PostgresTarget, parsePostgresUrl } from '@fnfleet/postgres/url';
import { sqlitePath } from '@fnfleet/sqlite';
import { Kysely } from 'kysely';
import type { ApiSettings } from '../settings.js';
import { sqlChanges } from './change-log.js';
import type { Datastore } from './datastore.js';
import type { Engine } from './engine.js';
import { migrate, NEWEST_VERSIONS } from './migrate.js';
import type { Tables } from './schema.js';
import { sqlApps } from './sql-apps.js';
import { sqlFns } from './sql-fns.js';
import { sqlSchedules } from './sql-schedules.js';
import { SqlStore } from './sql-store.js';
import { sqlTriggers } from './sql-triggers.js';
import { SqliteDatabase } from './sqlite/sqlite-database.js';

export interface DatastoreOptions {
  /** Time limit for a change or a lookup, including waiting; 5 s by default. */
  readonly timeoutMs?: number;
  /** Maximum number of waiting lookups, and of waiting changes; 256 by default. */
  readonly maxWaiting?: number;
  /** Maximum number of connections to a database server; 10 by default. */
  readonly maxConnections?: number;
  /** How long to wait for a database server that is not available at the start; 30 s by default. */
  readonly startTimeoutMs?: number;
  /** Ends the wait for a database server. */
  readonly signal?: AbortSignal;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** A kind of database. */
interface Provider {
  /** The URL for messages, without a password. Throws SettingsError when it is not valid. */
  name(url: string): string;
  open(url: string, options: Required<DatastoreOptions>): Promise<Engine>;
}

const postgres: Provider = {
  name: (url) => targetOf(url).shown,
  async open(url, options) {
    // Most nodes need no driver for it.
    const { PostgresDatabase } = await import('./postgres/postgres-database.js');
    return new PostgresDatabase({ ...options, target: targetOf(url) });
  },
};

const targetOf = (url: string): PostgresTarget => parsePostgresUrl(url, 'FN_DB_URL');

const PROVIDERS: Readonly<Record<string, Provider>> = {
  sqlite3: {
    name: (url) => url,
    open: async (url, options) =>
      new SqliteDatabase({ ...options, path: sqlitePath(url) ?? '', schemaVersions: NEWEST_VERSIONS }),
  },
  postgres,
  postgresql: postgres,
};

/** The longest pause before another attempt to reach a database server at the start, in milliseconds. */
const LONGEST_PAUSE_MS = 5_000;

/** Options for opening the database of an API node. */
export function databaseOptions(settings: ApiSettings): DatastoreOptions {
  return {
    timeoutMs: settings.dbTimeoutMs,
    maxWaiting: settings.dbMaxWaiting,
    maxConnections: settings.dbMaxConnections,
    startTimeoutMs: settings.dbStartTimeoutMs,
  };
}

/**
 * Opens the datastore that a URL names and migrates its schema.
 * @param url `sqlite3:///absolute/path`, `sqlite3://relative/path`, `sqlite3://:memory:`, or
 *   `postgres://user:password@host:port/database`
 * @throws SettingsError for an unknown scheme; an error that names the database if it cannot be used
 */
export async function openDatastore(url: string, options: DatastoreOptions = {}): Promise<Datastore> {
  const provider = providerOf(url);
  const complete = {
    timeoutMs: 5_000,
    maxWaiting: 256,
    maxConnections: 10,
    startTimeoutMs: 30_000,
    signal: new AbortController().signal,
    logger: silentLogger,
    clock: systemClock,
    ...options,
  };
  const name = provider.name(url);
  const engine = await provider.open(url, complete);
  const db = new Kysely<Tables>({ dialect: engine.dialect });
  const store = new SqlStore(db, engine);
  const closed = new Once(async () => {
    store.signal.close();
    await db.destroy();
  });
  try {
    await migrateWhenAvailable(db, engine, name, complete);
  } catch (error) {
    await closed.call();
    throw withItsName(name, error as Error);
  }
  engine.migrated();
  return {
    apps: sqlApps(store),
    fns: sqlFns(store),
    triggers: sqlTriggers(store),
    schedules: sqlSchedules(store),
    changes: sqlChanges(db, store.signal),
    close: () => closed.call(),
  };
}

/** @throws SettingsError when the URL names no known kind of database, or is not valid */
export function checkDatabaseUrl(url: string): void {
  providerOf(url).name(url);
}

/** What a Postgres server says of itself. */
export interface DatabaseServer {
  /** The URL without its password. */
  readonly name: string;
  readonly version: string;
  readonly readOnly: boolean;
}

/**
 * Connects to the Postgres server of a URL as an API node would, and changes nothing.
 * @throws FnError, whose cause names the remedy; SettingsError when the URL is not valid
 */
export async function probeDatabaseServer(url: string, timeoutMs: number): Promise<DatabaseServer> {
  const target = targetOf(url);
  const { probePostgres } = await import('@fnfleet/postgres');
  return { name: target.shown, ...(await probePostgres(target, timeoutMs)) };
}

/** A database server may start at the same time, or be restarted. */
async function migrateWhenAvailable(
  db: Kysely<Tables>,
  engine: Engine,
  database: string,
  { startTimeoutMs, signal, logger, clock }: Required<DatastoreOptions>,
): Promise<void> {
  const deadline = later(clock.now(), startTimeoutMs);
  for (let pauseMs = 250; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    try {
      return await migrate(db, engine);
    } catch (error) {
      if (signal.aborted || later(clock.now(), pauseMs) > deadline || !engine.mayPass(error)) throw error;
      logger.warn('the database is not available, trying again', { database, retryInMs: pauseMs, error });
      await clock.sleep(pauseMs, signal);
    }
  }
}

function providerOf(url: string): Provider {
  const scheme = /^([^:]*):\/\//.exec(url)?.[1] ?? '';
  const provider = Object.hasOwn(PROVIDERS, scheme) ? PROVIDERS[scheme] : undefined;
  if (provider !== undefined) return provider;
  throw new SettingsError([
    `FN_DB_URL: no data store provider found for storage url ${withoutPassword(url)}; known: sqlite3://, postgres://`,
  ]);
}

/** Adds setting and database to an error: errors of a driver name them already, those of a migration do not. */
function withItsName(name: string, error: Error): Error {
  const cause = error.cause instanceof Error ? error.cause.message : '';
  if (`${error.message} ${cause}`.includes('FN_DB_URL: ')) return error;
  return new Error(`FN_DB_URL: ${name}: ${error.message}`, { cause: error });
}

function withoutPassword(url: string): string {
  return url.replace(/:[^:@/]*@/, ':***@');
}
