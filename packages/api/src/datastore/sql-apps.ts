import { type App, FnError } from '@fnfleet/core';
import type { AppFilter, Change, Collection } from './datastore.js';
import { appFromRow, appToRow } from './rows.js';
import type { Queryable } from './schema.js';
import { removeSchedules } from './sql-schedules.js';
import type { SqlStore } from './sql-store.js';

export function sqlApps(store: SqlStore): Collection<App, AppFilter> {
  const { db } = store;
  const byName = store.bytewise('name');
  return {
    insert: (app) =>
      store.write(async (trx, record) => {
        await store.unique('appExists', trx.insertInto('apps').values(appToRow(app)).execute());
        await record(changeOf('created', app));
        return app;
      }),

    get: (id) => findApp(db, id),

    async list({ name, limit, after }) {
      let query = db.selectFrom('apps').selectAll().orderBy(byName).limit(limit);
      if (name !== undefined) query = query.where(byName, '=', name);
      if (after !== undefined) query = query.where(byName, '>', after.name);
      return (await query.execute()).map(appFromRow);
    },

    update: (id, change) =>
      store.write(async (trx, record) => {
        const current = await findApp(trx, id);
        const next = change(current);
        if (next === current) return current;
        await trx.updateTable('apps').set(appToRow(next)).where('id', '=', id).execute();
        await record(changeOf('updated', next));
        return next;
      }),

    remove: (id, check) =>
      store.write(async (trx, record) => {
        const current = await findApp(trx, id);
        check?.(current);
        await trx.deleteFrom('apps').where('id', '=', id).execute();
        await trx.deleteFrom('fns').where('app_id', '=', id).execute();
        await removeSchedules(trx, 'app_id', id);
        await trx.deleteFrom('triggers').where('app_id', '=', id).execute();
        await record(changeOf('deleted', current));
      }),
  };
}

export async function findApp(db: Queryable, id: string): Promise<App> {
  const row = await db.selectFrom('apps').selectAll().where('id', '=', id).executeTakeFirst();
  if (row === undefined) throw new FnError('appNotFound');
  return appFromRow(row);
}

function changeOf(action: Change['action'], { id, name }: App): Change {
  return { kind: 'app', action, id, appId: id, name };
}
