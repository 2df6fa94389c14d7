import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { Once, SettingsError } from '@fnfleet/core';
import { type Dialect, Kysely } from 'kysely';
import type { Datastore } from './datastore.js';
import { migrate } from './migrate.js';
import { isSqliteDuplicate, nodeSqliteDialect } from './node-sqlite.js';
import type { Tables } from './schema.js';
import { sqlApps } from './sql-apps.js';
import { sqlFns } from './sql-fns.js';
import { sqlTriggers } from './sql-triggers.js';

/** A kind of database: how to reach one, and how it reports a broken uniqueness rule. */
interface Provider {
  dialect(url: string): Dialect;
  isDuplicate(error: unknown): boolean;
}

const PROVIDERS: Readonly<Record<string, Provider>> = {
  sqlite3: { dialect: (url) => nodeSqliteDialect(sqlitePath(url)), isDuplicate: isSqliteDuplicate },
};

/**
 * Opens the store that a URL names and brings its schema up to date.
 * @param url `sqlite3:///absolute/path`, `sqlite3://relative/path`, or `sqlite3://:memory:`
 * @throws SettingsError for a scheme that is not known; whatever the database says when it cannot be opened
 */
export async function openDatastore(url: string): Promise<Datastore> {
  const scheme = /^([^:]*):\/\//.exec(url)?.[1] ?? '';
  const provider = Object.hasOwn(PROVIDERS, scheme) ? PROVIDERS[scheme] : undefined;
  if (provider === undefined) {
    throw new SettingsError([`FN_DB_URL: no data store provider found for storage url ${withoutPassword(url)}`]);
  }
  const db = new Kysely<Tables>({ dialect: provider.dialect(url) });
  const closed = new Once(() => db.destroy());
  try {
    await migrate(db);
  } catch (error) {
    await closed.call();
    throw error;
  }
  const store = { db, isDuplicate: provider.isDuplicate };
  return {
    apps: sqlApps(store),
    fns: sqlFns(store),
    triggers: sqlTriggers(store),
    close: () => closed.call(),
  };
}

function sqlitePath(url: string): string {
  const path = url.slice('sqlite3://'.length).replace(/\?.*$/s, '');
  if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
  return path;
}

function withoutPassword(url: string): string {
  return url.replace(/:[^:@/]*@/, ':***@');
}
