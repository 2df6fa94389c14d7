import { DatabaseSync } from 'node:sqlite';
import { formatDate, systemClock } from '@fnfleet/core';
import { copyDatabase, restoreDatabase, sqliteFile, sqlitePath, sqliteUrl } from '@fnfleet/sqlite';
import { openDatastore } from './open-datastore.js';

/** How much a database holds. */
export interface DatabaseContents {
  readonly apps: number;
  readonly functions: number;
  readonly triggers: number;
}

/**
 * Saves the database of an API node to a new file, also while the node runs.
 * @param url `FN_DB_URL`
 * @throws Error when the database cannot be read, is not in a file, or when something is at `file`
 */
export function backUp(url: string, file: string): DatabaseContents {
  copyDatabase(fileOf(url, 'pg_dump'), file);
  return contentsOf(file);
}

/**
 * Replaces the database of an API node by a backup, also while the node runs. A backup of an earlier release is migrated
 * first. The replaced database is kept next to it.
 * @returns `kept`: the path of the replaced database, if there was one
 * @throws Error when the backup is damaged, or of a later release; nothing has changed then
 */
export async function restore(
  url: string,
  file: string,
): Promise<{ readonly contents: DatabaseContents; readonly kept: string | undefined }> {
  const path = fileOf(url, 'pg_restore');
  const name = `${path}.replaced-${formatDate(systemClock.wallNow()).replaceAll(':', '-')}`;
  const kept = await restoreDatabase(file, path, {
    kept: name,
    prepare: async (draft) => {
      if (!hasApps(draft)) throw new Error(`${file} is not the database of an API node`);
      await (await openDatastore(sqliteUrl(draft))).close();
    },
  });
  return { contents: contentsOf(path), kept };
}

/** @throws Error unless the database is a file */
function fileOf(url: string, tool: string): string {
  if (sqlitePath(url) === undefined)
    throw new Error(`FN_DB_URL does not name an SQLite database; use ${tool} for Postgres`);
  const file = sqliteFile(url);
  if (file === undefined) throw new Error('FN_DB_URL names a database in memory, which ends with its process');
  return file;
}

/** Without this check, an empty file would be restored as a database without apps. */
function hasApps(path: string): boolean {
  return counted(path, (count) => count("sqlite_schema where name = 'apps'")) === 1;
}

function contentsOf(path: string): DatabaseContents {
  return counted(path, (count) => ({ apps: count('apps'), functions: count('fns'), triggers: count('triggers') }));
}

function counted<T>(path: string, read: (count: (table: string) => number) => T): T {
  const database = new DatabaseSync(path, { readOnly: true, timeout: 10_000 });
  try {
    return read((table) => Number(database.prepare(`select count(*) as found from ${table}`).get()?.found));
  } finally {
    database.close();
  }
}
