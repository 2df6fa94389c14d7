import { MIGRATIONS, SCHEMA_VERSION } from './schema.js';
import type { Transaction } from './transaction.js';

/** The key of the lock that nodes take before they look at the schema: "fnms". */
const MIGRATION_LOCK = 0x666e6d73;

/**
 * Brings the tables of the queue to the newest schema in one transaction: nodes that start at the same time do so one after the
 * other, and one that is interrupted leaves nothing behind.
 * @throws Error when a newer release has made them
 */
export async function migrate(transaction: Transaction): Promise<void> {
  await transaction.script(`begin; select pg_advisory_xact_lock(${MIGRATION_LOCK})`);
  const version = await versionOf(transaction);
  if (version > SCHEMA_VERSION) {
    throw new Error(
      `the queue in the database has schema version ${version}; known: 1 to ${SCHEMA_VERSION}: ` +
        'install the release that migrated it, or a newer one',
    );
  }
  for (const step of MIGRATIONS.slice(version)) await transaction.script(step);
  if (version < SCHEMA_VERSION) await transaction.script(`update fnfleet_mq set version = ${SCHEMA_VERSION}`);
  await transaction.script('commit');
}

/** Whether somebody has made the tables. */
export async function hasTables(transaction: Transaction): Promise<boolean> {
  const found = "select 1 from pg_tables where schemaname = current_schema() and tablename = 'fnfleet_mq'";
  return (await transaction.script(found)).rows.length > 0;
}

/** 0 if there is no queue. */
async function versionOf(transaction: Transaction): Promise<number> {
  if (!(await hasTables(transaction))) return 0;
  const [row] = (await transaction.script('select version from fnfleet_mq')).rows;
  if (row === undefined) throw new Error('the table fnfleet_mq is empty: restore a backup');
  return Number(row.version);
}
