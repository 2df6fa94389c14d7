import type { Dialect, Kysely, Transaction } from 'kysely';
import type { Tables } from './schema.js';

/** A kind of database: what the SQL that all of them share leaves open. */
export interface Engine {
  /** The dialect for Kysely. A transaction begins with the right to write: such transactions run one after the other. */
  readonly dialect: Dialect;
  /** Whether an error reports a violated uniqueness constraint. */
  isDuplicate(error: unknown): boolean;
  tableNames(trx: Transaction<Tables>): Promise<readonly string[]>;
  /** Called once the schema is the newest. */
  migrated(): void;
  /**
   * Calls `wake` when another process may have committed a change, until the returned function is called. Changes that
   * happen before it is ready lead to a call as well.
   */
  watch(db: Kysely<Tables>, wake: () => void): () => void;
}
