import { type Clock, FnError, type Logger, later, latest, type MonoMs } from '@fnfleet/core';
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  type QueryResult,
  SelectQueryNode,
  type TransactionSettings,
} from 'kysely';
import { Pool, type PoolClient, type PoolConfig, type QueryResult as PostgresResult } from 'pg';
import { marksOf, translatedError } from './postgres-errors.js';

export interface PostgresDriverOptions {
  readonly connection: PoolConfig;
  /** For messages: the URL without its password. */
  readonly shown: string;
  /** Time limit for a transaction or a single query, including the wait for a connection. */
  readonly timeoutMs: number;
  readonly maxConnections: number;
  /** Maximum number of queries that wait for a connection; more are refused. */
  readonly maxWaiting: number;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Extra time for an answer: the server itself ends a statement that takes too long. Milliseconds. */
const GRACE_MS = 500;
/** Minimum time for the statements of a transaction, even after its limit: it already has the lock that it waited for. */
const LEAST_MS = 1000;
/** How often a lookup is tried whose connection is lost. */
const MAX_ATTEMPTS = 4;
/** An unused connection is closed after this time, in milliseconds. */
const IDLE_MS = 30_000;

/** A pool of connections. Each query ends by its deadline, whatever the server or the network does. */
export class PostgresDriver implements Driver {
  private readonly pool: Pool;

  constructor(private readonly options: PostgresDriverOptions) {
    const { connection, maxConnections, timeoutMs, logger, shown } = options;
    this.pool = new Pool({
      ...connection,
      max: maxConnections,
      connectionTimeoutMillis: Math.max(1, timeoutMs),
      idleTimeoutMillis: IDLE_MS,
      allowExitOnIdle: true,
    });
    // The pool has removed it already.
    this.pool.on('error', (error) => logger.debug('an idle database connection was lost', { database: shown, error }));
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<PostgresConnection> {
    const { clock, timeoutMs } = this.options;
    return new PostgresConnection(this, await this.connect(), later(clock.now(), timeoutMs));
  }

  async beginTransaction(connection: PostgresConnection, { isolationLevel }: TransactionSettings): Promise<void> {
    await connection.begin(isolationLevel ?? 'read committed');
  }

  async commitTransaction(connection: PostgresConnection): Promise<void> {
    await connection.commit();
  }

  async rollbackTransaction(connection: PostgresConnection): Promise<void> {
    await connection.rollback();
  }

  async releaseConnection(connection: PostgresConnection): Promise<void> {
    connection.release();
  }

  async destroy(): Promise<void> {
    await this.pool.end();
  }

  /** @throws FnError `databaseOverloaded` when too many wait for a connection */
  async connect(): Promise<PoolClient> {
    if (this.pool.waitingCount >= this.options.maxWaiting) throw new FnError('databaseOverloaded');
    try {
      return await this.pool.connect();
    } catch (error) {
      throw this.translated(error);
    }
  }

  /**
   * @throws FnError `databaseSlow` when the deadline passes first: the statement may still be executed. Otherwise the
   *   translated error of the database.
   */
  async run(client: PoolClient, sql: string, values: readonly unknown[], deadline: MonoMs): Promise<PostgresResult> {
    const { clock } = this.options;
    const until = latest(deadline, later(clock.now(), LEAST_MS));
    return await new Promise((resolve, reject) => {
      const slow = () => reject(new FnError('databaseSlow'));
      const timer = clock.after(until - clock.now() + GRACE_MS, slow, { keepAlive: true });
      client
        .query(sql, [...values])
        .then(resolve, (error) => reject(this.translated(error)))
        .finally(() => timer.cancel());
    });
  }

  private translated(error: unknown): Error {
    return translatedError(error, this.options.shown);
  }
}

export class PostgresConnection implements DatabaseConnection {
  private inTransaction = false;
  /** Whether the connection must not be used again. */
  private broken = false;
  private released = false;

  constructor(
    private readonly driver: PostgresDriver,
    private client: PoolClient,
    /** The deadline for all work on this connection. */
    private readonly deadline: MonoMs,
  ) {
    client.on('error', ignore);
  }

  async executeQuery<R>({ sql, parameters, query }: CompiledQuery): Promise<QueryResult<R>> {
    const isLookup = SelectQueryNode.is(query);
    if (parameters.some(hasNul)) {
      // Postgres has no texts with this character: none can be found.
      if (isLookup) return { rows: [] };
      throw new FnError('databaseTextInvalid');
    }
    return resultOf(
      isLookup && !this.inTransaction ? await this.look(sql, parameters) : await this.run(sql, parameters),
    );
  }

  // biome-ignore lint/correctness/useYield: streaming is not supported, and Kysely requires this method
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('queries are not streamed');
  }

  async begin(isolationLevel: string): Promise<void> {
    await this.run(`start transaction isolation level ${isolationLevel}`);
    this.inTransaction = true;
  }

  async commit(): Promise<void> {
    try {
      const { command } = await this.run('commit');
      this.inTransaction = false;
      if (command !== 'COMMIT') throw new Error(`the transaction ended with ${command}`);
    } catch (error) {
      // Without an answer, nobody knows whether the change took effect.
      throw marksOf(error).breaksConnection ? new FnError('databaseSlow', { cause: error }) : error;
    }
  }

  /** The server rolls back by itself when it loses the connection. */
  async rollback(): Promise<void> {
    if (this.broken || !this.inTransaction) return;
    await this.run('rollback').catch(() => {
      this.broken = true;
    });
    this.inTransaction = false;
  }

  /** Idempotent. */
  release(): void {
    if (this.released) return;
    this.released = true;
    this.client.off('error', ignore);
    this.client.release(this.broken || this.inTransaction);
  }

  /** Connections of the pool may have been lost since they were last used: a lookup tries others. */
  private async look(sql: string, values: readonly unknown[]): Promise<PostgresResult> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.run(sql, values);
      } catch (error) {
        if (attempt === MAX_ATTEMPTS || !marksOf(error).mayRepeat) throw error;
      }
      await this.replaceClient();
    }
  }

  private async replaceClient(): Promise<void> {
    this.release();
    this.client = await this.driver.connect();
    this.client.on('error', ignore);
    this.broken = false;
    this.released = false;
  }

  private async run(sql: string, values: readonly unknown[] = []): Promise<PostgresResult> {
    try {
      return await this.driver.run(this.client, sql, values, this.deadline);
    } catch (error) {
      if (marksOf(error).breaksConnection || isUnanswered(error)) this.broken = true;
      throw error;
    }
  }
}

/** Whether the answer to a statement is still outstanding: the next one would wait for it. */
function isUnanswered(error: unknown): boolean {
  return error instanceof FnError && error.code === 'databaseSlow' && error.cause === undefined;
}

/** The statement that fails with the connection reports it. */
function ignore(): void {}

function hasNul(parameter: unknown): boolean {
  return typeof parameter === 'string' && parameter.includes('\0');
}

function resultOf<R>({ rows, rowCount }: PostgresResult): QueryResult<R> {
  return { rows: rows as R[], numAffectedRows: rowCount === null ? undefined : BigInt(rowCount) };
}
