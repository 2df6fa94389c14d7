import { randomBytes } from 'node:crypto';
import type { ChangeSignal } from './change-signal.js';
import type { Change, ChangeLog, RecordedChange } from './datastore.js';
import type { ChangeRow, Queryable } from './schema.js';

/** Number of changes that are kept. A reader that is further behind reads everything anew. */
export const KEPT_CHANGES = 10_000;

/**
 * Records a change, in the transaction that makes it. Transactions that write run one after the other, so numbers ascend
 * in commit order: a reader that has seen one never misses a lower one.
 */
export async function recordChange(db: Queryable, change: Change): Promise<void> {
  const seq = ((await newest(db))?.seq ?? 0) + 1;
  await db.insertInto('fnfleet_changes').values(changeToRow(seq, change)).execute();
  await db
    .deleteFrom('fnfleet_changes')
    .where('seq', '<=', seq - KEPT_CHANGES)
    .execute();
}

/** Records where the changes of a new database begin, so that this position is not one of another database. */
export async function recordBeginning(db: Queryable): Promise<void> {
  const beginning = { kind: 'app', action: 'created', id: '', appId: '', name: '' } as const;
  await db.insertInto('fnfleet_changes').values(changeToRow(0, beginning)).execute();
}

export function sqlChanges(db: Queryable, signal: ChangeSignal): ChangeLog {
  return {
    latest: () => newestPosition(db),

    async after(position, limit) {
      const seq = seqOf(position);
      if (seq === undefined) return undefined;
      const rows = await db
        .selectFrom('fnfleet_changes')
        .selectAll()
        .where('seq', '>=', seq)
        .orderBy('seq')
        .limit(limit + 1)
        .execute();
      const [known, ...following] = rows;
      if (known === undefined || positionOf(known) !== position) return undefined;
      return following.map(changeFromRow);
    },

    subscribe: (listener) => signal.subscribe(listener),
  };
}

/** The position in a database whose changes were all removed by hand. It is never known. */
const NOWHERE = '0-';

export async function newestPosition(db: Queryable): Promise<string> {
  const row = await newest(db);
  return row === undefined ? NOWHERE : positionOf(row);
}

function newest(db: Queryable): Promise<Pick<ChangeRow, 'seq' | 'token'> | undefined> {
  return db.selectFrom('fnfleet_changes').select(['seq', 'token']).orderBy('seq', 'desc').limit(1).executeTakeFirst();
}

function positionOf({ seq, token }: Pick<ChangeRow, 'seq' | 'token'>): string {
  return `${seq}-${token}`;
}

/** Positions come from clients: anything may be in them. */
function seqOf(position: string): number | undefined {
  const digits = /^(\d{1,15})-/.exec(position)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

function changeToRow(seq: number, { kind, action, id, appId, name, sources }: Change): ChangeRow {
  const token = randomBytes(9).toString('base64url');
  const known = sources === undefined ? null : JSON.stringify(sources);
  return { seq, token, kind, action, item_id: id, app_id: appId, name, sources: known };
}

function changeFromRow(row: ChangeRow): RecordedChange {
  return {
    kind: row.kind as Change['kind'],
    action: row.action as Change['action'],
    id: row.item_id,
    appId: row.app_id,
    name: row.name,
    sources: row.sources === null ? undefined : JSON.parse(row.sources),
    position: positionOf(row),
  };
}
