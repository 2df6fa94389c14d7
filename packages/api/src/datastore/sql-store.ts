import { type ErrorCode, FnError } from '@fnfleet/core';
import type { Kysely, Transaction } from 'kysely';
import type { Tables } from './schema.js';

/** What the collections need of a database. */
export interface SqlStore {
  readonly db: Kysely<Tables>;
  /** Whether an error of this database says that a row would break a uniqueness rule. */
  isDuplicate(error: unknown): boolean;
}

/** A query runs on the database itself or inside a transaction. */
export type Queryable = Kysely<Tables> | Transaction<Tables>;

/** Runs a write; a broken uniqueness rule becomes the given error. */
export async function unique<T>(store: SqlStore, code: ErrorCode, write: Promise<T>): Promise<T> {
  try {
    return await write;
  } catch (error) {
    throw store.isDuplicate(error) ? new FnError(code, { cause: error }) : error;
  }
}
