import { FnError, type MonoMs } from '@fnfleet/core';
import { marksOf, type PoolClient, type PostgresPool, type QueryResult as PostgresResult } from '@fnfleet/postgres';
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  type QueryResult,
  SelectQueryNode,
  type TransactionSettings,
} from 'kysely';

/** How often a lookup is tried whose connection is lost. */
const MAX_ATTEMPTS = 4;

/** Kysely on a pool of connections. */
export class PostgresDriver implements Driver {
  /** @param newDeadline the deadline of a transaction or a single query that begins now, including the wait for a connection */
  constructor(
    private readonly pool: PostgresPool,
    private readonly newDeadline: () => MonoMs,
  ) {}

  async init(): Promise<void> {}

  async acquireConnection(): Promise<PostgresConnection> {
    return new PostgresConnection(this.pool, await this.pool.connect(), this.newDeadline());
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
    await this.pool.close();
  }
}

export class PostgresConnection implements DatabaseConnection {
  private inTransaction = false;
  /** Whether the connection must not be used again. */
  private broken = false;
  private released = false;

  constructor(
    private readonly pool: PostgresPool,
    private client: PoolClient,
    /** The deadline for all work on this connection. */
    private readonly deadline: MonoMs,
  ) {}

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
    this.client = await this.pool.connect();
    this.broken = false;
    this.released = false;
  }

  private async run(sql: string, values: readonly unknown[] = []): Promise<PostgresResult> {
    try {
      return await this.pool.run(this.client, { text: sql, values: [...values] }, this.deadline);
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

function hasNul(parameter: unknown): boolean {
  return typeof parameter === 'string' && parameter.includes('\0');
}

function resultOf<R>({ rows, rowCount }: PostgresResult): QueryResult<R> {
  return { rows: rows as R[], numAffectedRows: rowCount === null ? undefined : BigInt(rowCount) };
}
