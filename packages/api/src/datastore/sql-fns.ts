import { type Fn, FnError } from '@fnfleet/core';
import type { Collection, FnFilter } from './datastore.js';
import { fnFromRow, fnToRow } from './rows.js';
import { findApp } from './sql-apps.js';
import { type Queryable, type SqlStore, unique } from './sql-store.js';

export function sqlFns(store: SqlStore): Collection<Fn, FnFilter> {
  const { db } = store;
  return {
    insert: (fn) =>
      db.transaction().execute(async (trx) => {
        const { shape } = await findApp(trx, fn.appId);
        const stored = { ...fn, shape };
        await unique(store, 'fnExists', trx.insertInto('fns').values(fnToRow(stored)).execute());
        return stored;
      }),

    get: (id) => findFn(db, id),

    async list({ appId, name, limit, after }) {
      let query = db.selectFrom('fns').selectAll().where('app_id', '=', appId).orderBy('name').limit(limit);
      if (name !== undefined) query = query.where('name', '=', name);
      if (after !== undefined) query = query.where('name', '>', after.name);
      return (await query.execute()).map(fnFromRow);
    },

    update: (id, change) =>
      db.transaction().execute(async (trx) => {
        const current = await findFn(trx, id);
        const next = change(current);
        if (next !== current) await trx.updateTable('fns').set(fnToRow(next)).where('id', '=', id).execute();
        return next;
      }),

    remove: (id) =>
      db.transaction().execute(async (trx) => {
        const { numDeletedRows } = await trx.deleteFrom('fns').where('id', '=', id).executeTakeFirst();
        if (numDeletedRows === 0n) throw new FnError('fnNotFound');
        await trx.deleteFrom('triggers').where('fn_id', '=', id).execute();
      }),
  };
}

export async function findFn(db: Queryable, id: string): Promise<Fn> {
  const row = await db.selectFrom('fns').selectAll().where('id', '=', id).executeTakeFirst();
  if (row === undefined) throw new FnError('fnNotFound');
  return fnFromRow(row);
}
