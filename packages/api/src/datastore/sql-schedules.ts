import { epochMs, SCHEDULE_TYPE, type Trigger, type WallMs, wallMs } from '@fnfleet/core';
import { hasSameTimes, Schedule } from '@fnfleet/core/resources';
import { type SelectQueryBuilder, sql } from 'kysely';
import type { DueSchedule, Leader, ScheduleMove, ScheduleState, ScheduleStore } from './datastore.js';
import { triggerFromRow } from './rows.js';
import type { Queryable, Tables, TriggerRow } from './schema.js';
import type { SqlStore } from './sql-store.js';

/** The id of the only row about the leader. */
const ONLY = 1;

export function sqlSchedules(store: SqlStore): ScheduleStore {
  const { db } = store;
  return {
    async count(appId) {
      const row = await db
        .selectFrom('triggers')
        .select(({ fn, eb }) => [
          fn.countAll().as('total'),
          fn.count(eb.case().when('app_id', '=', appId).then(1).end()).as('own'),
        ])
        .where('type', '=', SCHEDULE_TYPE)
        .executeTakeFirst();
      return { total: Number(row?.total), own: Number(row?.own) };
    },

    async earliest() {
      // The join leaves out rows whose triggers were deleted by a node of an earlier release.
      const row = await joined(db)
        .select('next_at')
        .where('next_at', 'is not', null)
        .orderBy('next_at')
        .limit(1)
        .executeTakeFirst();
      return row?.next_at == null ? undefined : wallMs(Number(row.next_at));
    },

    async due(until, limit, after) {
      let query = withTrigger(joined(db)).where('next_at', '<=', epochMs(until));
      if (after !== undefined) {
        const [at, id] = [epochMs(after.nextAt), after.trigger.id];
        query = query.where(({ eb, and, or }) =>
          or([eb('next_at', '>', at), and([eb('next_at', '=', at), eb('trigger_id', '>', id)])]),
        );
      }
      return (await query.orderBy('next_at').orderBy('trigger_id').limit(limit).execute()).map(dueFromRow);
    },

    async dealtWithAfter(at, limit) {
      const query = withTrigger(joined(db)).where('handled_at', '>', epochMs(at)).where('next_at', 'is not', null);
      return (await query.limit(limit).execute()).map(dueFromRow);
    },

    async states(triggerIds) {
      if (triggerIds.length === 0) return new Map();
      const rows = await db
        .selectFrom('fnfleet_schedules')
        .select(['trigger_id', 'next_at', 'fired_at'])
        .where('trigger_id', 'in', triggerIds)
        .execute();
      return new Map(
        rows.map(({ trigger_id, next_at, fired_at }): [string, ScheduleState] => [
          trigger_id,
          { nextAt: instant(next_at), firedAt: instant(fired_at) },
        ]),
      );
    },

    leader: () => leaderOf(db),

    lead: (holder, instead) =>
      store.write(async (trx) => {
        const current = await leaderOf(trx);
        if (current?.holder !== instead?.holder || current?.beat !== instead?.beat) return false;
        await trx.deleteFrom('fnfleet_scheduler').execute();
        const beat = (current?.beat ?? 0) + 1;
        await trx.insertInto('fnfleet_scheduler').values({ id: ONLY, holder, beat }).execute();
        return true;
      }),

    beat: (holder) => store.write((trx) => beaten(trx, holder)),

    resign: (holder) =>
      store.write(async (trx) => {
        await trx.deleteFrom('fnfleet_scheduler').where('holder', '=', holder).execute();
      }),

    advance: (holder, moves) =>
      store.write(async (trx) => {
        if (!(await beaten(trx, holder))) return false;
        for (const move of moves) await advanceOne(trx, move);
        return true;
      }),
  };
}

/** Part of a transaction that inserts a trigger. */
export async function insertSchedule(db: Queryable, trigger: Trigger): Promise<void> {
  if (trigger.type !== SCHEDULE_TYPE) return;
  const row = { trigger_id: trigger.id, version: 1, fired_at: null, ...timesOf(trigger) };
  await db.insertInto('fnfleet_schedules').values(row).execute();
}

/** Part of a transaction that updates a trigger. Instants that a changed schedule has not yet dealt with are left out. */
export async function updateSchedule(db: Queryable, before: Trigger, trigger: Trigger): Promise<void> {
  if (trigger.type !== SCHEDULE_TYPE || hasSameTimes(before, trigger)) return;
  await db
    .updateTable('fnfleet_schedules')
    .set({ ...timesOf(trigger), version: sql`version + 1` })
    .where('trigger_id', '=', trigger.id)
    .execute();
}

/** Part of a transaction that deletes triggers. */
export async function removeSchedules(db: Queryable, column: 'id' | 'fn_id' | 'app_id', value: string): Promise<void> {
  const triggers = db.selectFrom('triggers').select('id').where(column, '=', value);
  await db.deleteFrom('fnfleet_schedules').where('trigger_id', 'in', triggers).execute();
}

function timesOf(trigger: Trigger): { readonly next_at: number | null; readonly handled_at: number } {
  // Set by the change.
  const at = trigger.updatedAt ?? wallMs(0);
  const next = Schedule.of(trigger).next(at);
  return { next_at: next === undefined ? null : epochMs(next), handled_at: epochMs(at) };
}

async function advanceOne(db: Queryable, { from, nextAt, firedAt, at }: ScheduleMove): Promise<void> {
  await db
    .updateTable('fnfleet_schedules')
    .set({
      next_at: nextAt === undefined ? null : epochMs(nextAt),
      handled_at: epochMs(at),
      ...(firedAt !== undefined && { fired_at: epochMs(firedAt) }),
    })
    .where('trigger_id', '=', from.trigger.id)
    .where('version', '=', from.version)
    .where('next_at', '=', epochMs(from.nextAt))
    .execute();
}

async function leaderOf(db: Queryable): Promise<Leader | undefined> {
  const row = await db.selectFrom('fnfleet_scheduler').select(['holder', 'beat']).executeTakeFirst();
  return row && { holder: row.holder, beat: Number(row.beat) };
}

async function beaten(db: Queryable, holder: string): Promise<boolean> {
  const result = await db
    .updateTable('fnfleet_scheduler')
    .set({ beat: sql`beat + 1` })
    .where('holder', '=', holder)
    .executeTakeFirst();
  return Number(result.numUpdatedRows) > 0;
}

type Joined<O> = SelectQueryBuilder<Tables, 'fnfleet_schedules' | 'triggers', O>;

function joined(db: Queryable): Joined<object> {
  return db.selectFrom('fnfleet_schedules').innerJoin('triggers', 'triggers.id', 'fnfleet_schedules.trigger_id');
}

function withTrigger(query: Joined<object>) {
  return query.selectAll('triggers').select(['next_at', 'version']);
}

function dueFromRow(row: TriggerRow & { next_at: number | null; version: number }): DueSchedule {
  const { next_at, version, ...trigger } = row;
  return { trigger: triggerFromRow(trigger), nextAt: wallMs(Number(next_at)), version: Number(version) };
}

function instant(ms: number | null): WallMs | undefined {
  return ms === null ? undefined : wallMs(Number(ms));
}
