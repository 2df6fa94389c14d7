import { type Kysely, sql, type Transaction } from 'kysely';
import { recordBeginning } from './change-log.js';
import type { Engine } from './engine.js';
import {
  createChangesTable,
  createScheduleTables,
  createTables,
  createVersionTable,
  type Tables,
  type VersionTable,
} from './schema.js';

/** A schema with a version: steps that lead from one version to the next. */
interface Schema {
  readonly versions: VersionTable;
  readonly oldest: number;
  readonly newest: number;
  readonly steps: readonly Step[];
}

interface Step {
  readonly version: number;
  up(db: Transaction<Tables>, engine: Engine): Promise<unknown>;
}

const OF_FN: Schema = {
  versions: 'schema_migrations',
  // The newest of Fn, so that a database can move between the two products.
  newest: 26,
  oldest: 22,
  steps: [
    { version: 23, up: (db) => db.schema.dropTable('calls').ifExists().execute() },
    { version: 24, up: (db) => db.schema.dropTable('logs').ifExists().execute() },
    { version: 25, up: (db) => addShape(db, 'apps') },
    { version: 26, up: (db) => addShape(db, 'fns') },
  ],
};

/** What is added to the schema of Fn. Tables and indexes only: Fn ignores them. */
const ADDITIONS: Schema = {
  versions: 'fnfleet_schema',
  oldest: 0,
  newest: 2,
  steps: [
    {
      version: 1,
      async up(db, engine) {
        await engine.widenColumns(db);
        await createIndexes(db, engine);
        await createChangesTable(db);
        await recordBeginning(db);
      },
    },
    { version: 2, up: (db) => createScheduleTables(db) },
  ],
};

/** Newest versions, by the table that records each. */
export const NEWEST_VERSIONS = { [OF_FN.versions]: OF_FN.newest, [ADDITIONS.versions]: ADDITIONS.newest };

/**
 * Brings a database to the newest schema in one transaction: creates the tables in an empty one, and migrates one of an
 * earlier release. Nodes that start at the same time do so one after the other.
 * @throws Error when a previous migration did not complete, or when the schema version is unknown
 */
export async function migrate(db: Kysely<Tables>, engine: Engine): Promise<void> {
  await engine.transaction(db, async (trx) => {
    const tables = await engine.tableNames(trx);
    if (!tables.includes('schema_migrations')) await createVersionTable(trx, 'schema_migrations');
    if (tables.includes('apps')) {
      await upgrade(trx, engine, OF_FN, await recordedVersion(trx, OF_FN));
    } else {
      await createTables(trx);
      await recordVersion(trx, OF_FN);
    }
    const added = tables.includes('fnfleet_schema');
    if (!added) await createVersionTable(trx, 'fnfleet_schema');
    await upgrade(trx, engine, ADDITIONS, added ? await recordedVersion(trx, ADDITIONS) : 0);
  });
}

async function upgrade(db: Transaction<Tables>, engine: Engine, schema: Schema, version: number): Promise<void> {
  if (version === schema.newest) return;
  for (const step of schema.steps) {
    if (step.version > version) await step.up(db, engine);
  }
  await recordVersion(db, schema);
}

async function recordedVersion(db: Transaction<Tables>, { versions, oldest, newest }: Schema): Promise<number> {
  const recorded = await db.selectFrom(versions).selectAll().executeTakeFirst();
  if (recorded === undefined) throw new Error(`the database has tables, but no schema version in ${versions}`);
  const { version, dirty } = recorded;
  if (dirty) {
    throw new Error(`a migration of the database to version ${version} did not complete: restore a backup`);
  }
  if (version > newest) {
    throw new Error(
      `the database has schema version ${version} in ${versions}; known: ${oldest} to ${newest}: ` +
        'install the release that migrated it, or a newer one',
    );
  }
  if (version < oldest) {
    throw new Error(
      `the database has schema version ${version} in ${versions}; known: ${oldest} to ${newest}: ` +
        'start Fn 0.3.657 or newer on it once',
    );
  }
  return version;
}

async function recordVersion(db: Transaction<Tables>, { versions, newest }: Schema): Promise<void> {
  await db.deleteFrom(versions).execute();
  await db.insertInto(versions).values({ version: newest, dirty: 0 }).execute();
}

/** For lookups by source, for lists in the order of names, and for the deletion of what belongs to an app or a function. */
async function createIndexes(db: Transaction<Tables>, { bytewise }: Engine): Promise<void> {
  const [name, id] = [bytewise('name'), bytewise('id')];
  await sql`create index fnfleet_apps_name on apps (${name})`.execute(db);
  await sql`create index fnfleet_fns_name on fns (app_id, ${name})`.execute(db);
  await sql`create index fnfleet_triggers_name on triggers (app_id, ${name}, ${id})`.execute(db);
  await sql`create index fnfleet_triggers_source on triggers (app_id, type, source)`.execute(db);
  await sql`create index fnfleet_triggers_fn on triggers (fn_id)`.execute(db);
}

async function addShape(db: Transaction<Tables>, table: 'apps' | 'fns'): Promise<void> {
  await db.schema.alterTable(table).addColumn('shape', 'text').execute();
  await sql`update ${sql.table(table)} set shape = ''`.execute(db);
}
