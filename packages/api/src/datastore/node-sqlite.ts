import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { type SqliteDatabase, SqliteDialect, type SqliteStatement } from 'kysely';

/** Waiting this long for another process that writes to the same file is better than failing a request. */
const BUSY_TIMEOUT_MS = 5000;

// Result codes of SQLite for a row that breaks a uniqueness rule.
const CONSTRAINT_UNIQUE = 2067;
const CONSTRAINT_PRIMARY_KEY = 1555;

/**
 * Kysely's dialect for the SQLite that is part of Node.
 * @param path a file, created if absent; `:memory:` for a database that ends with its connection
 */
export function nodeSqliteDialect(path: string): SqliteDialect {
  const database = opened(path);
  database.exec('pragma journal_mode = wal; pragma synchronous = normal');
  return new SqliteDialect({ database: adapt(database) });
}

export function isSqliteDuplicate(error: unknown): boolean {
  const { errcode } = error as { errcode?: unknown };
  return errcode === CONSTRAINT_UNIQUE || errcode === CONSTRAINT_PRIMARY_KEY;
}

function adapt(database: DatabaseSync): SqliteDatabase {
  return {
    prepare: (sql) => adaptStatement(database, sql),
    close: () => database.close(),
  };
}

function adaptStatement(database: DatabaseSync, sql: string): SqliteStatement {
  // A transaction that reads first and writes later fails at once when another process wrote in between, unless it
  // takes the write lock at its beginning.
  const statement = database.prepare(sql === 'begin' ? 'begin immediate' : sql);
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => statement.all(...values(parameters)),
    run: (parameters) => statement.run(...values(parameters)),
    iterate: (parameters) => statement.iterate(...values(parameters)),
  };
}

function values(parameters: readonly unknown[]): SQLInputValue[] {
  return parameters as SQLInputValue[];
}

/** SQLite only says that it cannot open the file, not which. */
function opened(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
  } catch (error) {
    const remedy = 'its folder has to exist and to be writable for the user of this process';
    throw new Error(`FN_DB_URL: ${path}: ${(error as Error).message}: ${remedy}`, { cause: error });
  }
}
