import { join } from 'node:path';
import { type Clock, type Logger, later, latest, type MonoMs } from '@fnfleet/core';
import { closeDatabaseToOthers, isSqliteDuplicate, prepareFile, SqliteThread, translated } from '@fnfleet/sqlite';
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type Kysely,
  type QueryResult,
  type RawBuilder,
  SelectQueryNode,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  sql,
  type Transaction,
} from 'kysely';
import type { Engine } from '../engine.js';
import type { Tables } from '../schema.js';
import { WriteTurns } from '../write-turns.js';
import { watchNewestChange } from './change-poll.js';
import { IN_MEMORY, type QueryAnswer, type ThreadData, type ThreadRequest } from './messages.js';

const THREAD = join(__dirname, 'thread.js');

export interface SqliteOptions {
  /** A file, created if missing; `:memory:` for a database that lives as long as its connection. */
  readonly path: string;
  /** Time limit for a transaction or a single query, including waiting. */
  readonly timeoutMs: number;
  /** Maximum number of waiting reads, and of waiting writes; more are refused. */
  readonly maxWaiting: number;
  /** Newest versions of the schema, by the table that records each. */
  readonly schemaVersions: Readonly<Record<string, number>>;
  /** Logs when another file has replaced the open one. */
  readonly logger: Logger;
  readonly clock: Clock;
}

/**
 * Minimum time for the statements of a transaction, even after its limit: it already has the lock that it waited for.
 */
const LEAST_MS = 1000;

/** Minimum time between two checks of a replaced file, however often it is noticed. */
const REOPEN_MS = 1000;

/**
 * The SQLite that is part of Node. It runs in threads, so that the process responds while SQLite waits for a lock or a
 * disk: one thread writes and another reads committed data, so that reads continue while writes wait.
 */
export class SqliteDatabase implements Engine {
  readonly dialect: Dialect = {
    createAdapter: () => new ThreadedSqliteAdapter(),
    createDriver: () => this.driver,
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
  private readonly driver: SqliteThreads;

  constructor(private readonly options: SqliteOptions) {
    this.driver = new SqliteThreads(options);
  }

  /** Each begins with the write lock. */
  transaction<T>(db: Kysely<Tables>, work: (trx: Transaction<Tables>) => Promise<T>): Promise<T> {
    return db.transaction().execute(work);
  }

  /** SQLite cannot. */
  async announce(): Promise<void> {}

  isDuplicate(error: unknown): boolean {
    return isSqliteDuplicate(error);
  }

  /** A file that cannot be opened now is a matter for an operator. */
  mayPass(): boolean {
    return false;
  }

  bytewise(column: string): RawBuilder<string> {
    return sql`${sql.ref(column)} collate binary`;
  }

  /** SQLite does not enforce the lengths of texts. */
  async widenColumns(): Promise<void> {}

  async tableNames(trx: Transaction<Tables>): Promise<readonly string[]> {
    const { rows } = await sql<{ name: string }>`select name from sqlite_schema where type = 'table'`.execute(trx);
    return rows.map(({ name }) => name);
  }

  /** A database in memory has no other process. */
  watch(db: Kysely<Tables>, wake: () => void): () => void {
    const { path, clock } = this.options;
    return path === IN_MEMORY ? () => undefined : watchNewestChange(db, clock, wake);
  }

  /** From now on, only files with the newest schema are opened. */
  migrated(): void {
    const { path, logger } = this.options;
    this.driver.migrated();
    if (path !== IN_MEMORY) closeDatabaseToOthers(path, logger);
  }
}

class ThreadedSqliteAdapter extends SqliteAdapter {
  /** Without this, Kysely makes reads wait for writes. */
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

class SqliteThreads implements Driver {
  readonly writer: SqliteThread<ThreadRequest, QueryAnswer>;
  /** A database in memory belongs to a single connection. */
  readonly reader: SqliteThread<ThreadRequest, QueryAnswer> | undefined;
  readonly turns: WriteTurns;
  private reopening: Promise<boolean> | undefined;
  private isMigrated = false;

  constructor(private readonly options: SqliteOptions) {
    const { path, clock, maxWaiting, schemaVersions, timeoutMs: waitMs } = options;
    const translate = translated(path, 'FN_DB_URL');
    const thread = (role: ThreadData['role'], onReplaced?: () => void) => {
      const data = (): ThreadData => ({ path, role, waitMs, schemaVersions, migrated: this.isMigrated });
      const name = `sqlite ${role}`;
      const options = { entry: THREAD, name, data, clock, maxWaiting, onReplaced, translate };
      return new SqliteThread<ThreadRequest, QueryAnswer>(options);
    };
    this.turns = new WriteTurns(clock, maxWaiting);
    this.writer = thread('writer', () => this.readerFollows());
    this.reader = path === IN_MEMORY ? undefined : thread('reader');
  }

  async init(): Promise<void> {
    const { path, logger } = this.options;
    if (path === IN_MEMORY) return;
    try {
      prepareFile(path, logger);
    } catch (error) {
      const remedy = 'its directory must exist and be writable for the user of this process';
      throw new Error(`FN_DB_URL: ${path}: ${(error as Error).message}: ${remedy}`, { cause: error });
    }
  }

  async acquireConnection(): Promise<SqliteConnection> {
    return new SqliteConnection(this, this.deadline());
  }

  async beginTransaction(connection: SqliteConnection): Promise<void> {
    await connection.begin();
  }

  async commitTransaction(connection: SqliteConnection): Promise<void> {
    await connection.commit();
  }

  async rollbackTransaction(connection: SqliteConnection): Promise<void> {
    connection.rollback();
  }

  async releaseConnection(connection: SqliteConnection): Promise<void> {
    connection.rollback();
  }

  async destroy(): Promise<void> {
    // Close the writer last: the last connection of a database cleans up its log.
    await this.reader?.close();
    await this.writer.close();
  }

  /** From now on, only files with the newest schema are opened, also by a thread that replaces the writer. */
  migrated(): void {
    this.isMigrated = true;
    this.writer.order({ kind: 'migrated' }, this.options.clock.now());
  }

  deadline(): MonoMs {
    const { clock, timeoutMs } = this.options;
    return later(clock.now(), timeoutMs);
  }

  /** The deadline for the next statement of a transaction. */
  nextDeadline(deadline: MonoMs): MonoMs {
    return latest(deadline, later(this.options.clock.now(), LEAST_MS));
  }

  msUntil(deadline: MonoMs): number {
    return Math.max(0, deadline - this.options.clock.now());
  }

  /**
   * Called when the reader has found another file.
   * @returns whether it can be used; reads then have it
   */
  reopen(): Promise<boolean> {
    if (this.reopening === undefined) {
      const reopening = this.openReplacement();
      this.reopening = reopening;
      void reopening.then(() => {
        this.options.clock.after(REOPEN_MS, () => {
          this.reopening = undefined;
        });
      });
    }
    return this.reopening;
  }

  private async openReplacement(): Promise<boolean> {
    const { path, logger } = this.options;
    const deadline = this.deadline();
    try {
      await this.turns.take(deadline);
      try {
        await this.writer.ask({ kind: 'reopen' }, deadline);
      } finally {
        this.turns.giveBack();
      }
      return true;
    } catch (error) {
      logger.error('the database file was replaced by one that cannot be used', { path, error });
      return false;
    }
  }

  /** Called when the writer has opened another file. */
  private readerFollows(): void {
    const { path, logger } = this.options;
    logger.warn('the database file was replaced, using the new one', { path });
    this.reader?.order({ kind: 'reopen' }, this.deadline());
  }
}

class SqliteConnection implements DatabaseConnection {
  private inTransaction = false;

  constructor(
    private readonly threads: SqliteThreads,
    /** The deadline for all work on this connection. */
    private readonly deadline: MonoMs,
  ) {}

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    return resultOf(await this.execute(query));
  }

  // biome-ignore lint/correctness/useYield: streaming is not supported, and Kysely requires this method
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('queries are not streamed');
  }

  async begin(): Promise<void> {
    const { threads, deadline } = this;
    await threads.turns.take(deadline);
    const begun = this.askToBegin();
    this.inTransaction = true;
    try {
      await begun;
    } catch (error) {
      // The thread may still obtain the lock after the caller has given up.
      this.rollback();
      throw error;
    }
  }

  private askToBegin(): Promise<unknown> {
    const { threads, deadline } = this;
    try {
      return threads.writer.ask({ kind: 'begin', waitMs: threads.msUntil(deadline) }, deadline);
    } catch (error) {
      threads.turns.giveBack();
      throw error;
    }
  }

  async commit(): Promise<void> {
    await this.inWriter({ kind: 'commit' });
    this.inTransaction = false;
    this.threads.turns.giveBack();
  }

  /** Does not wait for the result, because the thread processes requests in order. */
  rollback(): void {
    if (!this.inTransaction) return;
    this.inTransaction = false;
    this.threads.writer.order({ kind: 'rollback' }, this.deadline);
    this.threads.turns.giveBack();
  }

  private async execute({ sql, parameters, query }: CompiledQuery): Promise<QueryAnswer | undefined> {
    const statement = { kind: 'query', sql, parameters } as const;
    if (this.inTransaction) return await this.inWriter(statement);
    const { threads } = this;
    const { reader } = threads;
    if (reader !== undefined && SelectQueryNode.is(query)) {
      const answer = await reader.ask(statement, this.deadline);
      // One that cannot be used does not keep lookups from being answered.
      const canAsk = answer?.isOutdated && (await threads.reopen()) && threads.msUntil(this.deadline) > 0;
      return canAsk ? await reader.ask(statement, this.deadline) : answer;
    }
    await this.begin();
    try {
      const answer = await this.inWriter(statement);
      await this.commit();
      return answer;
    } finally {
      this.rollback();
    }
  }

  private inWriter(request: ThreadRequest): Promise<QueryAnswer | undefined> {
    const { threads, deadline } = this;
    return threads.writer.ask(request, threads.nextDeadline(deadline));
  }
}

function resultOf<R>(answer: QueryAnswer | undefined): QueryResult<R> {
  const { rows = [], changes = 0, lastInsertRowid = 0 } = answer ?? {};
  return { rows: rows as R[], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) };
}
