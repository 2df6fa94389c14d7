import { type App, FnError } from '@fnfleet/core';
import type { AppFilter, Collection } from './datastore.js';
import { appFromRow, appToRow } from './rows.js';
import { type Queryable, type SqlStore, unique } from './sql-store.js';

export function sqlApps(store: SqlStore): Collection<App, AppFilter> {
  const { db } = store;
  return {
    async insert(app) {
      await unique(store, 'appExists', db.insertInto('apps').values(appToRow(app)).execute());
      return app;
    },

    get: (id) => findApp(db, id),

    async list({ name, limit, after }) {
      let query = db.selectFrom('apps').selectAll().orderBy('name').limit(limit);
      if (name !== undefined) query = query.where('name', '=', name);
      if (after !== undefined) query = query.where('name', '>', after.name);
      return (await query.execute()).map(appFromRow);
    },

    update: (id, change) =>
      db.transaction().execute(async (trx) => {
        const current = await findApp(trx, id);
        const next = change(current);
        if (next !== current) await trx.updateTable('apps').set(appToRow(next)).where('id', '=', id).execute();
        return next;
      }),

    remove: (id) =>
      db.transaction().execute(async (trx) => {
        const { numDeletedRows } = await trx.deleteFrom('apps').where('id', '=', id).executeTakeFirst();
        if (numDeletedRows === 0n) throw new FnError('appNotFound');
        await trx.deleteFrom('fns').where('app_id', '=', id).execute();
        await trx.deleteFrom('triggers').where('app_id', '=', id).execute();
      }),
  };
}

export async function findApp(db: Queryable, id: string): Promise<App> {
  const row = await db.selectFrom('apps').selectAll().where('id', '=', id).executeTakeFirst();
  if (row === undefined) throw new FnError('appNotFound');
  return appFromRow(row);
}
