import { type ErrorCode, FnError } from '@fnfleet/core';
import type { Kysely, RawBuilder, Transaction } from 'kysely';
import { recordChange } from './change-log.js';
import { ChangeSignal } from './change-signal.js';
import type { Change } from './datastore.js';
import type { Engine } from './engine.js';
import type { Tables } from './schema.js';

/** Records a change in the transaction that makes it. */
export type Record = (change: Change) => Promise<void>;

/** The database, as the collections use it. */
export class SqlStore {
  readonly signal: ChangeSignal;

  constructor(
    readonly db: Kysely<Tables>,
    private readonly engine: Engine,
  ) {
    this.signal = new ChangeSignal((wake) => engine.watch(db, wake));
  }

  /** Runs a transaction that writes, and wakes the subscribers of the change log if it has recorded a change. */
  async write<T>(work: (trx: Transaction<Tables>, record: Record) => Promise<T>): Promise<T> {
    let recorded = false;
    const { db, engine } = this;
    const result = await engine.transaction(db, (trx) =>
      work(trx, async (change) => {
        await recordChange(trx, change);
        await engine.announce(trx);
        recorded = true;
      }),
    );
    if (recorded) this.signal.wake();
    return result;
  }

  /** A column, compared byte by byte whatever the locale of the database is. */
  bytewise(column: string): RawBuilder<string> {
    return this.engine.bytewise(column);
  }

  /** Runs a write, and turns a violated uniqueness constraint into the given error. */
  async unique<T>(code: ErrorCode, write: Promise<T>): Promise<T> {
    try {
      return await write;
    } catch (error) {
      throw this.engine.isDuplicate(error) ? new FnError(code, { cause: error }) : error;
    }
  }
}
