import { type Clock, FnError, type Logger, later, latest, type MonoMs } from '@fnfleet/core';
import { Pool, type PoolClient, type QueryConfig, type QueryResult } from 'pg';
import { connectionOptions } from './connection.js';
import { translatedError } from './postgres-errors.js';
import type { PostgresTarget } from './postgres-url.js';

export interface PostgresPoolOptions {
  readonly target: PostgresTarget;
  /** Time limit for a connection, and on the server for a statement. Milliseconds. */
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
/** An unused connection is closed after this time, in milliseconds. */
const IDLE_MS = 30_000;

/** A pool of connections. Each query ends by its deadline, whatever the server or the network does. */
export class PostgresPool {
  private readonly pool: Pool;

  /** @throws SettingsError when a file that the URL names cannot be read */
  constructor(private readonly options: PostgresPoolOptions) {
    const { target, maxConnections, timeoutMs, logger } = options;
    this.pool = new Pool({
      ...connectionOptions(target, timeoutMs),
      max: maxConnections,
      connectionTimeoutMillis: Math.max(1, timeoutMs),
      idleTimeoutMillis: IDLE_MS,
      allowExitOnIdle: true,
    });
    // Whoever has a connection learns from its statement that it is lost. Without a listener, the process would end.
    this.pool.on('connect', (client) => client.on('error', () => undefined));
    // The pool has removed it already.
    this.pool.on('error', (error) =>
      logger.debug('an idle database connection was lost', { database: target.shown, error }),
    );
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
  async run(client: PoolClient, query: QueryConfig, deadline: MonoMs): Promise<QueryResult> {
    const { clock } = this.options;
    const until = latest(deadline, later(clock.now(), LEAST_MS));
    return await new Promise((resolve, reject) => {
      const slow = () => reject(new FnError('databaseSlow'));
      const timer = clock.after(until - clock.now() + GRACE_MS, slow, { keepAlive: true });
      client
        .query(query)
        .then(resolve, (error) => reject(this.translated(error)))
        .finally(() => timer.cancel());
    });
  }

  async close(): Promise<void> {
    await this.pool.end();
  }

  private translated(error: unknown): Error {
    return translatedError(error, this.options.target);
  }
}
