import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Datastore } from '../datastore/datastore.js';
import { type DatastoreOptions, openDatastore } from '../datastore/open-datastore.js';

/** An empty database of its own for each test. */
export interface TestDatabase {
  /** Value of FN_DB_URL. */
  readonly url: string;
  /** Executes statements as another process would. */
  exec(...statements: string[]): Promise<void>;
  remove(): Promise<void>;
}

async function sqliteFile(): Promise<TestDatabase> {
  const folder = mkdtempSync(join(tmpdir(), 'fnfleet-store-'));
  const path = join(folder, 'fn.db');
  return {
    url: `sqlite3://${path}`,
    async exec(...statements) {
      const database = new DatabaseSync(path);
      for (const statement of statements) database.exec(statement);
      database.close();
    },
    remove: async () => rmSync(folder, { recursive: true }),
  };
}

let makeDatabase = sqliteFile;

/** An empty database of the kind that the suites of this file run on. */
export function testDatabase(): Promise<TestDatabase> {
  return makeDatabase();
}

/** Makes the suites of this test file run on another kind of database. */
export function runSuitesOn(make: () => Promise<TestDatabase>): void {
  makeDatabase = make;
}

export function openTestDatastore({ url }: TestDatabase, options?: DatastoreOptions): Promise<Datastore> {
  return openDatastore(url, options);
}
