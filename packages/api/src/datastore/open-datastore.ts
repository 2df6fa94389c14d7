import { type Clock, type Logger, Once, SettingsError, silentLogger, systemClock } from '@fnfleet/core';
import { Kysely } from 'kysely';
import type { ApiSettings } from '../settings.js';
import { sqlChanges } from './change-log.js';
import type { Datastore } from './datastore.js';
import type { Engine } from './engine.js';
import { migrate, NEWEST_VERSIONS } from './migrate.js';
import type { Tables } from './schema.js';
import { sqlApps } from './sql-apps.js';
import { sqlFns } from './sql-fns.js';
import { SqlStore } from './sql-store.js';
import { sqlTriggers } from './sql-triggers.js';
import { SqliteDatabase } from './sqlite/sqlite-database.js';

export interface DatastoreOptions {
  /** Time limit for a change or a lookup, including waiting; 5 s by default. */
  readonly timeoutMs?: number;
  /** Maximum number of waiting lookups, and of waiting changes; 256 by default. */
  readonly maxWaiting?: number;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

type Provider = (url: string, options: Required<DatastoreOptions>) => Engine;

const PROVIDERS: Readonly<Record<string, Provider>> = {
  sqlite3: (url, options) => new SqliteDatabase({ ...options, path: sqlitePath(url), schemaVersions: NEWEST_VERSIONS }),
};

/** Options for opening the database of an API node. */
export function databaseOptions({ dbTimeoutMs, dbMaxWaiting }: ApiSettings): DatastoreOptions {
  return { timeoutMs: dbTimeoutMs, maxWaiting: dbMaxWaiting };
}

/**
 * Opens the datastore that a URL names and migrates its schema.
 * @param url `sqlite3:///absolute/path`, `sqlite3://relative/path`, or `sqlite3://:memory:`
 * @throws SettingsError for an unknown scheme; an error that names the file if it cannot be used
 */
export async function openDatastore(url: string, options: DatastoreOptions = {}): Promise<Datastore> {
  const provider = providerOf(url);
  const { timeoutMs = 5_000, maxWaiting = 256, logger = silentLogger, clock = systemClock } = options;
  const engine = provider(url, { timeoutMs, maxWaiting, logger, clock });
  const db = new Kysely<Tables>({ dialect: engine.dialect });
  const store = new SqlStore(db, engine);
  const closed = new Once(async () => {
    store.signal.close();
    await db.destroy();
  });
  try {
    await migrate(db, engine);
  } catch (error) {
    await closed.call();
    throw withItsName(url, error as Error);
  }
  engine.migrated();
  return {
    apps: sqlApps(store),
    fns: sqlFns(store),
    triggers: sqlTriggers(store),
    changes: sqlChanges(db, store.signal),
    close: () => closed.call(),
  };
}

/** @throws SettingsError when the URL names no known kind of database */
export function checkDatabaseUrl(url: string): void {
  providerOf(url);
}

function providerOf(url: string): Provider {
  const scheme = /^([^:]*):\/\//.exec(url)?.[1] ?? '';
  const provider = Object.hasOwn(PROVIDERS, scheme) ? PROVIDERS[scheme] : undefined;
  if (provider !== undefined) return provider;
  throw new SettingsError([`FN_DB_URL: no data store provider found for storage url ${withoutPassword(url)}`]);
}

/** Adds setting and file to an error: errors of a driver name them already, those of a migration do not. */
function withItsName(url: string, error: Error): Error {
  const cause = error.cause instanceof Error ? error.cause.message : '';
  if (`${error.message} ${cause}`.includes('FN_DB_URL: ')) return error;
  return new Error(`FN_DB_URL: ${withoutPassword(url)}: ${error.message}`, { cause: error });
}

/** The file in a URL of an SQLite database. */
export function sqlitePath(url: string): string {
  return url.slice('sqlite3://'.length).split('?', 1)[0] ?? '';
}

function withoutPassword(url: string): string {
  return url.replace(/:[^:@/]*@/, ':***@');
}
