import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { FileTrouble, OpenFiles } from '@fnfleet/sqlite';
import { IN_MEMORY, type QueryAnswer, type ThreadData, type ThreadRequest } from './messages.js';

/** Maximum number of prepared statements that are cached. Queries have few forms, because values are parameters. */
const MAX_STATEMENTS = 100;
/** Maximum timeout: SQLite uses 32-bit numbers. */
const MAX_WAIT_MS = 2 ** 31 - 1;
/** Result codes after which a connection is reopened, because its state of the file may be wrong. */
const DOUBTFUL: ReadonlySet<number> = new Set([8, 10, 11, 14, 26]); // READONLY, IOERR, CORRUPT, CANTOPEN, NOTADB

/**
 * One connection to a database, in its own thread.
 *
 * D1  An acknowledged write is in the file at the path: the writer checks it before it begins and after it has
 *     committed. SQLite continues with a deleted file, and such writes would be lost with the process.
 * D2  A file that replaces another is used from then on; a deleted one is not created again.
 * D3  A reader continues with its open file, and reports when another one is at the path: whether that can be used, the writer knows.
 */
export class ThreadDatabase {
  private database: DatabaseSync | undefined;
  private files: OpenFiles | undefined;
  private readonly statements = new Map<string, StatementSync>();
  private doubtful = false;
  private migrated: boolean;
  /** Whether the reader has a file open that the writer no longer uses. */
  private hasLeft = false;
  /** Whether another file than that of the reader is at the path. */
  private isReplaced = false;

  constructor(
    private readonly data: ThreadData,
    private readonly tellReplaced: () => void,
  ) {
    this.migrated = data.migrated ?? false;
  }

  /** @throws the error of SQLite, or FileTrouble */
  handle(request: ThreadRequest): QueryAnswer | undefined {
    try {
      return this.answer(request);
    } catch (error) {
      const { errcode } = error as { errcode?: number };
      if (errcode !== undefined && DOUBTFUL.has(errcode & 0xff)) this.doubtful = true;
      throw error;
    }
  }

  private answer(request: ThreadRequest): QueryAnswer | undefined {
    switch (request.kind) {
      case 'query':
        return this.query(request.sql, request.parameters);
      case 'begin':
        return this.begin(request.waitMs);
      case 'commit':
        this.opened.exec('commit');
        return this.checkCommitted();
      case 'rollback':
        if (this.database?.isTransaction) this.database.exec('rollback');
        return undefined;
      case 'reopen':
        return this.reopen();
      case 'migrated':
        this.migrated = true;
        return undefined;
      case 'close':
        return this.close();
    }
  }

  private query(sql: string, parameters: readonly unknown[]): QueryAnswer {
    const database = this.data.role === 'reader' ? this.readable() : this.opened;
    const statement = this.prepared(database, sql);
    const values = parameters as SQLInputValue[];
    if (statement.columns().length > 0) {
      const isOutdated = this.data.role === 'reader' && this.isReplaced;
      return { rows: statement.all(...values), changes: 0, lastInsertRowid: 0, isOutdated };
    }
    return { rows: [], ...statement.run(...values) };
  }

  private begin(waitMs: number): undefined {
    this.lock(waitMs);
    if (this.files?.trouble === undefined) return;
    // It was replaced while this waited for the lock. What is written now would go to a log beside the new file.
    this.lock(waitMs);
  }

  private lock(waitMs: number): void {
    const database = this.writable();
    database.exec(`pragma busy_timeout = ${wholeMs(waitMs)}`);
    // Take the write lock at the beginning: a transaction that reads first and writes later fails at once when another
    // process has written in between.
    database.exec('begin immediate');
  }

  /** D1 */
  private checkCommitted(): undefined {
    const trouble = this.files?.trouble;
    if (trouble !== undefined) throw new FileTrouble(`was ${trouble}`);
  }

  private writable(): DatabaseSync {
    const trouble = this.files?.trouble;
    if (trouble === 'deleted') throw new FileTrouble('was deleted');
    if (trouble !== undefined) {
      this.reopen();
    } else if (this.doubtful) this.close();
    return this.opened;
  }

  /** D3 */
  private readable(): DatabaseSync {
    const trouble = this.files?.trouble;
    this.isReplaced = trouble !== undefined && trouble !== 'deleted';
    if (trouble === undefined && this.doubtful) this.close();
    return this.opened;
  }

  private get opened(): DatabaseSync {
    this.database ??= this.open();
    return this.database;
  }

  private open(): DatabaseSync {
    const { path, role, waitMs } = this.data;
    const database = new DatabaseSync(path, { timeout: wholeMs(waitMs) });
    try {
      if (path !== IN_MEMORY) {
        if (role === 'writer') setUp(database);
        else database.exec('pragma query_only = on');
        // Makes SQLite open the log.
        database.prepare('select count(*) from sqlite_schema').get();
        if (role === 'writer' && this.migrated) checkVersions(database, this.data.schemaVersions);
        this.files = new OpenFiles(path);
      }
    } catch (error) {
      database.close();
      throw error;
    }
    this.doubtful = false;
    if (this.hasLeft) this.tellReplaced();
    this.hasLeft = false;
    return database;
  }

  /** D2 */
  private reopen(): undefined {
    if (this.data.role === 'writer') this.leave();
    this.close();
    this.database = this.open();
  }

  /**
   * Closes a file that was replaced or lost its log. Its log is first written into it, wherever it is now: if the log
   * stayed at the path, it would damage the file that is there now.
   */
  private leave(): void {
    const { database, files } = this;
    if (database === undefined || files === undefined) return;
    try {
      if (database.isTransaction) database.exec('rollback');
      database.exec('pragma wal_checkpoint(truncate)');
    } catch {
      // Best effort: the file may no longer exist.
    }
    this.close();
    files.removeLog();
    this.hasLeft = true;
  }

  private prepared(database: DatabaseSync, sql: string): StatementSync {
    const known = this.statements.get(sql);
    this.statements.delete(sql);
    const statement = known ?? database.prepare(sql);
    this.statements.set(sql, statement);
    const [oldest] = this.statements.keys();
    if (this.statements.size > MAX_STATEMENTS && oldest !== undefined) this.statements.delete(oldest);
    return statement;
  }

  private close(): undefined {
    this.statements.clear();
    const { database } = this;
    this.database = undefined;
    this.files = undefined;
    database?.close();
  }
}

/** Converts a value to a type that SQLite accepts. */
function wholeMs(ms: number): number {
  return Math.min(Math.max(0, Math.ceil(ms)), MAX_WAIT_MS);
}

function setUp(database: DatabaseSync): void {
  const mode = database.prepare('pragma journal_mode = wal').get()?.journal_mode;
  if (mode !== 'wal') throw new FileTrouble(`is on a file system where SQLite cannot keep a write-ahead log (${mode})`);
  // An acknowledged write has reached the disk.
  database.exec('pragma synchronous = full');
}

function checkVersions(database: DatabaseSync, wanted: Readonly<Record<string, number>>): void {
  for (const [table, version] of Object.entries(wanted)) {
    const tables = database.prepare('select count(*) as found from sqlite_schema where name = ?').get(table);
    if (tables?.found !== 1) throw new FileTrouble(`was replaced by one without the table ${table}`);
    const found = database.prepare(`select version from ${table} where dirty = 0`).get()?.version;
    if (found !== version) {
      throw new FileTrouble(`was replaced by one of version ${found}, not ${version}, in ${table}`);
    }
  }
}
