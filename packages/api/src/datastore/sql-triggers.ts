import { FnError, SCHEDULE_TYPE, type Trigger } from '@fnfleet/core';
import type { Change, TriggerCollection } from './datastore.js';
import { triggerFromRow, triggerToRow } from './rows.js';
import type { Queryable } from './schema.js';
import { findApp } from './sql-apps.js';
import { findFn } from './sql-fns.js';
import { insertSchedule, removeSchedules, updateSchedule } from './sql-schedules.js';
import type { SqlStore } from './sql-store.js';

export function sqlTriggers(store: SqlStore): TriggerCollection {
  const { db } = store;
  const byName = store.bytewise('name');
  const byId = store.bytewise('id');
  return {
    insert: (trigger) =>
      store.write(async (trx, record) => {
        await checkPlace(trx, trigger);
        await store.unique('triggerExists', trx.insertInto('triggers').values(triggerToRow(trigger)).execute());
        await insertSchedule(trx, trigger);
        await record(changeOf('created', trigger));
        return trigger;
      }),

    get: (id) => findTrigger(db, id),

    async list({ appId, fnId, name, limit, after }) {
      let query = db.selectFrom('triggers').selectAll().where('app_id', '=', appId).orderBy(byName).orderBy(byId);
      if (fnId !== undefined) query = query.where('fn_id', '=', fnId);
      if (name !== undefined) query = query.where(byName, '=', name);
      if (after !== undefined) {
        const { name: last, id } = after;
        query = query.where(({ eb, and, or }) =>
          id === undefined
            ? eb(byName, '>', last)
            : // Functions of an app may have triggers of the same name, and a page may end between them.
              or([eb(byName, '>', last), and([eb(byName, '=', last), eb(byId, '>', id)])]),
        );
      }
      return (await query.limit(limit).execute()).map(triggerFromRow);
    },

    update: (id, change) =>
      store.write(async (trx, record) => {
        const current = await findTrigger(trx, id);
        const next = change(current);
        if (next === current) return current;
        await checkPlace(trx, next);
        const write = trx.updateTable('triggers').set(triggerToRow(next)).where('id', '=', id).execute();
        await store.unique('triggerExists', write);
        await updateSchedule(trx, current, next);
        await record(changeOf('updated', next, current));
        return next;
      }),

    remove: (id, check) =>
      store.write(async (trx, record) => {
        const current = await findTrigger(trx, id);
        check?.(current);
        await removeSchedules(trx, 'id', id);
        await trx.deleteFrom('triggers').where('id', '=', id).execute();
        await record(changeOf('deleted', current));
      }),

    async bySource(appId, type, source) {
      const row = await db
        .selectFrom('triggers')
        .selectAll()
        .where('app_id', '=', appId)
        .where('type', '=', type)
        .where('source', '=', source)
        .executeTakeFirst();
      if (row === undefined) throw new FnError('triggerNotFound');
      return triggerFromRow(row);
    },
  };
}

/** Checks that app and function belong together, and that no other trigger of the app has the path. */
async function checkPlace(db: Queryable, trigger: Trigger): Promise<void> {
  await findApp(db, trigger.appId);
  const fn = await findFn(db, trigger.fnId);
  if (fn.appId !== trigger.appId) throw new FnError('triggerFnForeign');
  if (trigger.type === SCHEDULE_TYPE) return;
  const taken = await db
    .selectFrom('triggers')
    .select('id')
    .where('app_id', '=', trigger.appId)
    .where('type', '=', trigger.type)
    .where('source', '=', trigger.source)
    .where('id', '!=', trigger.id)
    .executeTakeFirst();
  if (taken !== undefined) throw new FnError('triggerSourceExists');
}

async function findTrigger(db: Queryable, id: string): Promise<Trigger> {
  const row = await db.selectFrom('triggers').selectAll().where('id', '=', id).executeTakeFirst();
  if (row === undefined) throw new FnError('triggerNotFound');
  return triggerFromRow(row);
}

function changeOf(action: Change['action'], trigger: Trigger, before = trigger): Change {
  const { id, appId, name, source } = trigger;
  const sources = before.source === source ? [source] : [before.source, source];
  return { kind: 'trigger', action, id, appId, name, sources };
}
