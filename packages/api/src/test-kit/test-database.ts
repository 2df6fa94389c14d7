import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { PostgresServer } from '@fnfleet/testing';
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

/** In memory where there is such a file system: a sync then costs nothing. */
const TEMPORARY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

async function sqliteFile(): Promise<TestDatabase> {
  const folder = mkdtempSync(join(TEMPORARY, 'fnfleet-store-'));
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

/**
 * @param options of `create database`
 * @returns makes databases on a server that its caller has started and ends
 */
export function databasesOf(server: PostgresServer, options?: string): () => Promise<TestDatabase> {
  // Emptying a database takes much less time than making one.
  const free: string[] = [];
  return async () => {
    const name = free.pop() ?? (await server.createDatabase(options));
    return {
      url: server.url(name),
      exec: async (...statements) => void (await server.query(name, ...statements)),
      async remove() {
        await server.query(name, "set lock_timeout = '10s'", 'drop schema public cascade', 'create schema public');
        free.push(name);
      },
    };
  };
}

/** For suites that need no other access to the database. */
export async function sqliteInMemory(): Promise<TestDatabase> {
  const url = 'sqlite3://:memory:';
  const exec = () => Promise.reject(new Error(`no other process can open ${url}`));
  return { url, exec, remove: async () => undefined };
}

let makeDatabase: (() => Promise<TestDatabase>) | undefined;

/**
 * An empty database of the kind that the suites of this test file run on.
 * @param usual makes it unless another kind was chosen
 */
export function testDatabase(usual = sqliteFile): Promise<TestDatabase> {
  return (makeDatabase ?? usual)();
}

/** Makes the suites of this test file run on another kind of database. */
export function runSuitesOn(make: () => Promise<TestDatabase>): void {
  makeDatabase = make;
}

export function openTestDatastore({ url }: TestDatabase, options?: DatastoreOptions): Promise<Datastore> {
  return openDatastore(url, options);
}
