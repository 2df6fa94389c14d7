import { type ErrorCode, FnError } from '@fnfleet/core';
import type { Kysely, Transaction } from 'kysely';
import type { Tables } from './schema.js';

/** The database interface that the collections use. */
export interface SqlStore {
  readonly db: Kysely<Tables>;
  /** Whether an error of this database reports a violated uniqueness constraint. */
  isDuplicate(error: unknown): boolean;
}

/** Where a query runs: on the database itself, or in a transaction. */
export type Queryable = Kysely<Tables> | Transaction<Tables>;

/** Runs a write, and turns a violated uniqueness constraint into the given error. */
export async function unique<T>(store: SqlStore, code: ErrorCode, write: Promise<T>): Promise<T> {
  try {
    return await write;
  } catch (error) {
    throw store.isDuplicate(error) ? new FnError(code, { cause: error }) : error;
  }
}
