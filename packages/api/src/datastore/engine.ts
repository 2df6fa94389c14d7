import type { Dialect, Kysely, RawBuilder, Transaction } from 'kysely';
import type { Tables } from './schema.js';

/** A kind of database: what the SQL that all of them share leaves open. */
export interface Engine {
  readonly dialect: Dialect;
  /**
   * Runs a transaction that writes. Those of all API nodes run one after the other: what one has read stays true until it
   * commits. It is repeated when it conflicts with others.
   */
  transaction<T>(db: Kysely<Tables>, work: (trx: Transaction<Tables>) => Promise<T>): Promise<T>;
  /** Part of a transaction that records a change: tells other processes, if the database can, once it has committed. */
  announce(trx: Transaction<Tables>): Promise<void>;
  /**
   * Calls `wake` when another process may have committed a change, until the returned function is called. A change that
   * comes before it is ready leads to a call as well.
   */
  watch(db: Kysely<Tables>, wake: () => void): () => void;
  /** Whether an error reports a violated uniqueness constraint. */
  isDuplicate(error: unknown): boolean;
  /** Whether an error at the start may pass without anybody doing something about it. */
  mayPass(error: unknown): boolean;
  /** A column, compared byte by byte whatever the locale of the database is. */
  bytewise(column: string): RawBuilder<string>;
  tableNames(trx: Transaction<Tables>): Promise<readonly string[]>;
  /** Lets columns hold longer texts than those of Fn. */
  widenColumns(trx: Transaction<Tables>): Promise<void>;
  /** Called once the schema is the newest. */
  migrated(): void;
}
