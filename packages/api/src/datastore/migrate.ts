import { type Kysely, sql, type Transaction } from 'kysely';
import { createTables, type Tables } from './schema.js';

/** The newest schema of Fn. It is also ours, so a database can move between the two products. */
export const NEWEST_VERSION = 26;
const OLDEST_VERSION = 22;

const MIGRATIONS: readonly { version: number; up(db: Transaction<Tables>): Promise<unknown> }[] = [
  { version: 23, up: (db) => db.schema.dropTable('calls').ifExists().execute() },
  { version: 24, up: (db) => db.schema.dropTable('logs').ifExists().execute() },
  { version: 25, up: (db) => addShape(db, 'apps') },
  { version: 26, up: (db) => addShape(db, 'fns') },
];

/**
 * Brings a database to the newest schema in one transaction: creates the tables in an empty one, and migrates one of an
 * earlier release.
 * @throws Error when a previous migration did not complete, or when the schema version is unknown
 */
export async function migrate(db: Kysely<Tables>): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const tables = (await trx.introspection.getTables()).map((table) => table.name);
    if (!tables.includes('schema_migrations')) {
      await trx.schema
        .createTable('schema_migrations')
        .addColumn('version', 'bigint', (column) => column.notNull().primaryKey())
        .addColumn('dirty', 'boolean', (column) => column.notNull())
        .execute();
    }
    if (!tables.includes('apps')) {
      await createTables(trx);
      await recordVersion(trx);
      return;
    }
    const version = await cleanVersion(trx);
    if (version === NEWEST_VERSION) return;
    for (const migration of MIGRATIONS) {
      if (migration.version > version) await migration.up(trx);
    }
    await recordVersion(trx);
  });
}

async function cleanVersion(db: Transaction<Tables>): Promise<number> {
  const recorded = await db.selectFrom('schema_migrations').selectAll().executeTakeFirst();
  if (recorded === undefined) throw new Error('the database has tables of Fn, but no schema version');
  if (recorded.dirty) throw new Error(`a migration of the database to version ${recorded.version} did not complete`);
  if (recorded.version < OLDEST_VERSION || recorded.version > NEWEST_VERSION) {
    throw new Error(
      `the database has schema version ${recorded.version}; known: ${OLDEST_VERSION} to ${NEWEST_VERSION}`,
    );
  }
  return recorded.version;
}

async function recordVersion(db: Transaction<Tables>): Promise<void> {
  await db.deleteFrom('schema_migrations').execute();
  await db.insertInto('schema_migrations').values({ version: NEWEST_VERSION, dirty: 0 }).execute();
}

async function addShape(db: Transaction<Tables>, table: 'apps' | 'fns'): Promise<void> {
  await db.schema.alterTable(table).addColumn('shape', 'text').execute();
  await sql`update ${sql.table(table)} set shape = ''`.execute(db);
}
