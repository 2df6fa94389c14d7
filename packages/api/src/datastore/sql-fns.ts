import { type Fn, FnError } from '@fnfleet/core';
import type { Change, Collection, FnFilter } from './datastore.js';
import { fnFromRow, fnToRow } from './rows.js';
import type { Queryable } from './schema.js';
import { findApp } from './sql-apps.js';
import { removeSchedules } from './sql-schedules.js';
import type { SqlStore } from './sql-store.js';

export function sqlFns(store: SqlStore): Collection<Fn, FnFilter> {
  const { db } = store;
  const byName = store.bytewise('name');
  return {
    insert: (fn) =>
      store.write(async (trx, record) => {
        const { shape } = await findApp(trx, fn.appId);
        const stored = { ...fn, shape };
        await checkName(trx, stored);
        await store.unique('fnExists', trx.insertInto('fns').values(fnToRow(stored)).execute());
        await record(changeOf('created', stored));
        return stored;
      }),

    get: (id) => findFn(db, id),

    async list({ appId, name, limit, after }) {
      let query = db.selectFrom('fns').selectAll().where('app_id', '=', appId).orderBy(byName).limit(limit);
      if (name !== undefined) query = query.where(byName, '=', name);
      if (after !== undefined) query = query.where(byName, '>', after.name);
      return (await query.execute()).map(fnFromRow);
    },

    update: (id, change) =>
      store.write(async (trx, record) => {
        const current = await findFn(trx, id);
        const next = change(current);
        if (next === current) return current;
        await trx.updateTable('fns').set(fnToRow(next)).where('id', '=', id).execute();
        await record(changeOf('updated', next));
        return next;
      }),

    remove: (id, check) =>
      store.write(async (trx, record) => {
        const current = await findFn(trx, id);
        check?.(current);
        await trx.deleteFrom('fns').where('id', '=', id).execute();
        await removeSchedules(trx, 'fn_id', id);
        await trx.deleteFrom('triggers').where('fn_id', '=', id).execute();
        await record(changeOf('deleted', current));
      }),
  };
}

export async function findFn(db: Queryable, id: string): Promise<Fn> {
  const row = await db.selectFrom('fns').selectAll().where('id', '=', id).executeTakeFirst();
  if (row === undefined) throw new FnError('fnNotFound');
  return fnFromRow(row);
}

/** Databases that Fn has upgraded on Postgres lack the constraint. */
async function checkName(db: Queryable, { appId, name }: Fn): Promise<void> {
  const query = db.selectFrom('fns').select('id').where('app_id', '=', appId).where('name', '=', name).limit(1);
  if ((await query.executeTakeFirst()) !== undefined) throw new FnError('fnExists');
}

function changeOf(action: Change['action'], { id, appId, name }: Fn): Change {
  return { kind: 'fn', action, id, appId, name };
}
