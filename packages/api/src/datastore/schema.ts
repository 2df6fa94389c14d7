import type { Kysely } from 'kysely';

/** The tables, with the same columns as those of Fn, so that either product can open the database of the other. */
export interface Tables {
  apps: AppRow;
  fns: FnRow;
  triggers: TriggerRow;
  schema_migrations: { version: number; dirty: number };
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
