import type { Kysely, Transaction } from 'kysely';

/**
 * The tables. Those of Fn have the same columns as there, so that either product can open the database of the other; the
 * names of additional ones begin with `fnfleet_`.
 */
export interface Tables {
  apps: AppRow;
  fns: FnRow;
  triggers: TriggerRow;
  schema_migrations: VersionRow;
  fnfleet_schema: VersionRow;
  fnfleet_changes: ChangeRow;
  fnfleet_schedules: ScheduleRow;
  fnfleet_scheduler: SchedulerRow;
}

/** The only row of a table that records a version of the schema. */
export interface VersionRow {
  version: number;
  /** Whether a migration to this version began and did not end. SQLite has no booleans, and Postgres reads 0 as false. */
  dirty: number;
}

export interface AppRow {
  id: string;
  name: string;
  /** JSON, like all maps; an empty map is stored as an empty string. */
  config: string;
  annotations: string;
  syslog_url: string | null;
  created_at: string | null;
  updated_at: string | null;
  shape: string | null;
}

export interface FnRow {
  id: string;
  name: string;
  app_id: string;
  image: string;
  memory: number;
  timeout: number;
  idle_timeout: number;
  config: string;
  annotations: string;
  created_at: string;
  updated_at: string;
  shape: string | null;
}

export interface TriggerRow {
  id: string;
  name: string;
  app_id: string;
  fn_id: string;
  created_at: string;
  updated_at: string;
  type: string;
  source: string;
  annotations: string;
}

export interface ChangeRow {
  /** Ascends in commit order. */
  seq: number;
  /** Random: tells this change from another that got the same number after a restore. */
  token: string;
  kind: string;
  action: string;
  item_id: string;
  app_id: string;
  name: string;
  /** JSON; null if it has none. */
  sources: string | null;
}

/** When a trigger of type schedule fires. Instants are milliseconds since the epoch. */
export interface ScheduleRow {
  trigger_id: string;
  /** The earliest instant that has not been dealt with; null if there is none, or the schedule is paused. */
  next_at: number | null;
  /** The last instant that has fired. */
  fired_at: number | null;
  /** The time at which `next_at` was computed. */
  handled_at: number;
  /** Increases when the instants of the schedule change. */
  version: number;
}

/** The only row of its table: which API node fires the schedules. */
export interface SchedulerRow {
  id: number;
  holder: string;
  /** Increases while the holder works. */
  beat: number;
}

/** Where a query runs: on the database itself, or in a transaction. */
export type Queryable = Kysely<Tables> | Transaction<Tables>;

const NAME = 'varchar(256)';

export async function createTables(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('apps')
    .addColumn('id', NAME, (column) => column.notNull().primaryKey())
    .addColumn('name', NAME, (column) => column.notNull().unique())
    .addColumn('config', 'text', (column) => column.notNull())
    .addColumn('annotations', 'text', (column) => column.notNull())
    .addColumn('syslog_url', 'text')
    .addColumn('created_at', NAME)
    .addColumn('updated_at', NAME)
    .addColumn('shape', 'text')
    .execute();
  await db.schema
    .createTable('fns')
    .addColumn('id', NAME, (column) => column.notNull().primaryKey())
    .addColumn('name', NAME, (column) => column.notNull())
    .addColumn('app_id', NAME, (column) => column.notNull())
    .addColumn('image', NAME, (column) => column.notNull())
    .addColumn('memory', 'integer', (column) => column.notNull())
    .addColumn('timeout', 'integer', (column) => column.notNull())
    .addColumn('idle_timeout', 'integer', (column) => column.notNull())
    .addColumn('config', 'text', (column) => column.notNull())
    .addColumn('annotations', 'text', (column) => column.notNull())
    .addColumn('created_at', NAME, (column) => column.notNull())
    .addColumn('updated_at', NAME, (column) => column.notNull())
    .addColumn('shape', 'text')
    .addUniqueConstraint('fns_app_id_name', ['app_id', 'name'])
    .execute();
  await db.schema
    .createTable('triggers')
    .addColumn('id', NAME, (column) => column.notNull().primaryKey())
    .addColumn('name', NAME, (column) => column.notNull())
    .addColumn('app_id', NAME, (column) => column.notNull())
    .addColumn('fn_id', NAME, (column) => column.notNull())
    .addColumn('created_at', NAME, (column) => column.notNull())
    .addColumn('updated_at', NAME, (column) => column.notNull())
    .addColumn('type', NAME, (column) => column.notNull())
    .addColumn('source', NAME, (column) => column.notNull())
    .addColumn('annotations', 'text', (column) => column.notNull())
    .addUniqueConstraint('triggers_app_id_fn_id_name', ['app_id', 'fn_id', 'name'])
    .execute();
}

export async function createVersionTable(db: Kysely<Tables>, table: VersionTable): Promise<void> {
  await db.schema
    .createTable(table)
    .addColumn('version', 'bigint', (column) => column.notNull().primaryKey())
    .addColumn('dirty', 'boolean', (column) => column.notNull())
    .execute();
}

/** The schema of Fn and the additional tables have versions of their own. */
export type VersionTable = 'schema_migrations' | 'fnfleet_schema';

export async function createChangesTable(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('fnfleet_changes')
    .addColumn('seq', 'bigint', (column) => column.notNull().primaryKey())
    .addColumn('token', 'text', (column) => column.notNull())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('action', 'text', (column) => column.notNull())
    .addColumn('item_id', 'text', (column) => column.notNull())
    .addColumn('app_id', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('sources', 'text')
    .execute();
}

export async function createScheduleTables(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('fnfleet_schedules')
    .addColumn('trigger_id', NAME, (column) => column.notNull().primaryKey())
    .addColumn('next_at', 'bigint')
    .addColumn('fired_at', 'bigint')
    .addColumn('handled_at', 'bigint', (column) => column.notNull())
    .addColumn('version', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('fnfleet_schedules_next').on('fnfleet_schedules').column('next_at').execute();
  await db.schema
    .createTable('fnfleet_scheduler')
    .addColumn('id', 'integer', (column) => column.notNull().primaryKey())
    .addColumn('holder', 'text', (column) => column.notNull())
    .addColumn('beat', 'bigint', (column) => column.notNull())
    .execute();
}
