import { type Clock, FnError, type Logger, later } from '@fnfleet/core';
import {
  connectionOptions,
  isPostgresDuplicate,
  marksOf,
  NotificationListener,
  PostgresPool,
  type PostgresTarget,
} from '@fnfleet/postgres';
import {
  type Dialect,
  type Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type RawBuilder,
  sql,
  type Transaction,
} from 'kysely';
import type { Engine } from '../engine.js';
import type { Tables } from '../schema.js';
import { WriteTurns } from '../write-turns.js';
import { PostgresDriver } from './postgres-driver.js';

export interface PostgresOptions {
  readonly target: PostgresTarget;
  readonly timeoutMs: number;
  readonly maxConnections: number;
  readonly maxWaiting: number;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** The key of the lock that transactions of all API nodes take before they write: "fnfl". */
const WRITE_LOCK = 0x666e666c;
/** How often a transaction is tried that conflicts with others, or whose connection is lost before its commit. */
const MAX_ATTEMPTS = 4;
/** The longest pause before another attempt, in milliseconds. */
const PAUSE_MS = 20;
/** The channel on which transactions that record a change notify. */
const CHANNEL = 'fnfleet_changes';

/**
 * Postgres. Transactions that write take a lock first, so that those of all API nodes run one after the other, as in
 * SQLite: what a transaction has checked stays true until it commits, and changes are numbered in the order of commits,
 * which sequences are not. Lookups do not wait for it.
 */
export class PostgresDatabase implements Engine {
  readonly dialect: Dialect = {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => this.driver,
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  };
  private readonly driver: PostgresDriver;
  private readonly turns: WriteTurns;

  /** @throws SettingsError when a file that the URL names cannot be read */
  constructor(private readonly options: PostgresOptions) {
    const { timeoutMs, maxWaiting, clock } = options;
    this.driver = new PostgresDriver(new PostgresPool(options), () => later(clock.now(), timeoutMs));
    this.turns = new WriteTurns(clock, maxWaiting);
  }

  /** Writers of this process take turns, so that they occupy one connection. */
  async transaction<T>(db: Kysely<Tables>, work: (trx: Transaction<Tables>) => Promise<T>): Promise<T> {
    const { clock, timeoutMs } = this.options;
    await this.turns.take(later(clock.now(), timeoutMs));
    try {
      return await this.repeated(() =>
        db.transaction().execute(async (trx) => {
          await sql`select pg_advisory_xact_lock(${WRITE_LOCK})`.execute(trx);
          return await work(trx);
        }),
      );
    } finally {
      this.turns.giveBack();
    }
  }

  async announce(trx: Transaction<Tables>): Promise<void> {
    await sql`select pg_notify(${CHANNEL}, '')`.execute(trx);
  }

  isDuplicate(error: unknown): boolean {
    return isPostgresDuplicate(error);
  }

  mayPass(error: unknown): boolean {
    return marksOf(error).passes ?? (error instanceof FnError && error.code === 'databaseSlow');
  }

  bytewise(column: string): RawBuilder<string> {
    return sql`${sql.ref(column)} collate "C"`;
  }

  async tableNames(trx: Transaction<Tables>): Promise<readonly string[]> {
    const query = sql<{ name: string }>`select tablename as name from pg_tables where schemaname = current_schema()`;
    return (await query.execute(trx)).rows.map(({ name }) => name);
  }

  /** Fn limits them to 256 characters. SQLite ignores that. */
  async widenColumns(trx: Transaction<Tables>): Promise<void> {
    await sql`alter table fns alter column image type text`.execute(trx);
    await sql`alter table triggers alter column source type text`.execute(trx);
  }

  migrated(): void {}

  watch(_db: Kysely<Tables>, wake: () => void): () => void {
    const { target, timeoutMs, logger, clock } = this.options;
    const connection = connectionOptions(target, timeoutMs);
    const { shown } = target;
    const listener = new NotificationListener({
      ...{ connection, shown, channel: CHANNEL, timeoutMs, logger, clock, wake },
    });
    return () => void listener.close();
  }

  private async repeated<T>(act: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await act();
      } catch (error) {
        if (attempt === MAX_ATTEMPTS || !marksOf(error).mayRepeat) throw error;
        await this.options.clock.sleep(Math.random() * PAUSE_MS);
      }
    }
  }
}
