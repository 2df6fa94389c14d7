import { Client, type ClientConfig, types } from 'pg';
import { translatedError } from './postgres-errors.js';
import { type PostgresTarget, tlsOptions } from './postgres-url.js';

/** The server gives up a little later on a statement than on a lock, so that the reason is known. Milliseconds. */
const BEYOND_LOCK_MS = 250;
/** The largest that Postgres knows, in milliseconds. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;
const INT8 = 20;

/**
 * Options for connections of `pg` to a database.
 * @param timeoutMs time limit on the server for a lock, a statement, and a transaction that waits for its node
 * @throws SettingsError when a file that the URL names cannot be read
 */
export function connectionOptions(target: PostgresTarget, timeoutMs: number): ClientConfig {
  const { setting, host, port, user, password, database, applicationName, tls } = target;
  const beyondLockMs = Math.min(timeoutMs + BEYOND_LOCK_MS, MAX_TIMEOUT_MS);
  return {
    host,
    port,
    user,
    // A function, because `pg` would look elsewhere for a password that is empty.
    password: () => password,
    database,
    application_name: applicationName,
    ssl: tls === false ? false : tlsOptions(tls, setting),
    keepAlive: true,
    lock_timeout: Math.min(timeoutMs, MAX_TIMEOUT_MS),
    statement_timeout: beyondLockMs,
    // A node that hangs in a transaction must not keep the others from writing.
    idle_in_transaction_session_timeout: beyondLockMs,
    types: { getTypeParser },
  };
}

/** Numbers that count rows, milliseconds or versions are safe integers. */
function getTypeParser(oid: number, format?: 'text' | 'binary') {
  return oid === INT8 ? Number : types.getTypeParser(oid, format);
}

/**
 * Connects as a node would, and changes nothing.
 * @returns the version of the server, and whether it can be written to
 * @throws FnError, whose cause names the remedy
 */
export async function probePostgres(
  target: PostgresTarget,
  timeoutMs: number,
): Promise<{ readonly version: string; readonly readOnly: boolean }> {
  const client = new Client({ ...connectionOptions(target, timeoutMs), connectionTimeoutMillis: timeoutMs });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query(
      "select current_setting('server_version') as version, current_setting('transaction_read_only') = 'on' as read_only",
    );
    return { version: rows[0].version, readOnly: rows[0].read_only };
  } catch (error) {
    throw translatedError(error, target);
  } finally {
    client.end().catch(() => undefined);
  }
}
