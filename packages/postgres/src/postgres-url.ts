import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { readSmallFileSync, SettingsError } from '@fnfleet/core';

/** What a `postgres://` URL says. */
export interface PostgresTarget {
  /** The setting that has the URL, for messages: its name ends with `_URL`. */
  readonly setting: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly applicationName: string;
  readonly tls: PostgresTls | false;
  /** For messages: without the password. */
  readonly shown: string;
}

export interface PostgresTls {
  /** Whether the certificate of the server must be signed by a known CA. */
  readonly verified: boolean;
  /** Whether the certificate must also be for the host of the URL. */
  readonly named: boolean;
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
}

type Problem = (text: string) => SettingsError;

const MODES = ['disable', 'require', 'verify-ca', 'verify-full'] as const;
type Mode = (typeof MODES)[number];

/** Parameters of the URL. `connect_timeout` is read by Fn; here FN_DB_TIMEOUT_MSECS applies. */
const PARAMETERS = ['host', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'application_name', 'connect_timeout'];

/**
 * Reads a URL of the form `postgres://user:password@host:port/database?sslmode=…`. Without `sslmode`, TLS is required as in
 * Fn, except for this machine.
 * @param setting the one that has the URL
 * @throws SettingsError that never shows the URL, because it may contain a password
 */
export function parsePostgresUrl(url: string, setting: string): PostgresTarget {
  const problem = (text: string) => new SettingsError([`${setting}: ${text}`]);
  // libpq accepts a URL without a host after a user, for the default host or one among the parameters.
  const complete = url.replace(/^([a-z]+:\/\/[^/]*@)\//, '$1localhost/');
  if (!URL.canParse(complete)) {
    throw problem(
      'not a URL of the form postgres://user:password@host:port/database; encode special characters as %XX',
    );
  }
  const { hostname, port, username, password, pathname, searchParams } = new URL(complete);
  const unknown = [...searchParams.keys()].filter((name) => !PARAMETERS.includes(name));
  if (unknown.length > 0) {
    throw problem(
      `unknown parameter ${unknown.map((name) => JSON.stringify(name)).join(', ')}; known: ${PARAMETERS.join(', ')}`,
    );
  }
  const parts = { user: username, password, database: pathname.slice(1) };
  const { user, password: secret, database } = decoded(parts, problem);
  if (user === '') throw problem('a Postgres URL names the user: postgres://user:password@host:port/database');
  if (database === '') throw problem('a Postgres URL names the database: postgres://user:password@host:port/database');
  const host = searchParams.get('host') || hostname.replace(/^\[(.*)\]$/, '$1') || 'localhost';
  const target = { setting, host, port: Number(port || 5432), user, password: secret, database };
  return {
    ...target,
    applicationName: searchParams.get('application_name') || 'fnfleet',
    tls: tlsOf(searchParams, host, problem),
    shown: `postgres://${encodeURIComponent(user)}@${isIP(host) === 6 ? `[${host}]` : host}:${target.port}/${encodeURIComponent(database)}`,
  };
}

/**
 * Options for TLS connections, with the contents of the files.
 * @throws SettingsError when one cannot be read
 */
export function tlsOptions(
  { verified, named, caFile, certFile, keyFile }: PostgresTls,
  setting: string,
): ConnectionOptions {
  const read = (name: string, path: string | undefined) => {
    if (path === undefined) return undefined;
    try {
      return readSmallFileSync(path);
    } catch (error) {
      throw new SettingsError([`${setting}: ${name}=${path}: ${(error as Error).message}`]);
    }
  };
  return {
    rejectUnauthorized: verified,
    ca: read('sslrootcert', caFile),
    cert: read('sslcert', certFile),
    key: read('sslkey', keyFile),
    ...(named ? {} : { checkServerIdentity: () => undefined }),
  };
}

function tlsOf(parameters: URLSearchParams, host: string, problem: Problem): PostgresTls | false {
  const given = parameters.get('sslmode');
  const mode = given ?? (isThisMachine(host) ? 'disable' : 'require');
  if (!isMode(mode)) {
    throw problem(`sslmode=${JSON.stringify(mode)} is not supported; known: ${MODES.join(', ')}`);
  }
  const caFile = parameters.get('sslrootcert') || undefined;
  const certFile = parameters.get('sslcert') || undefined;
  const keyFile = parameters.get('sslkey') || undefined;
  if ((certFile === undefined) !== (keyFile === undefined)) throw problem('sslcert and sslkey belong together');
  if (mode === 'disable') {
    if (caFile ?? certFile) throw problem('sslrootcert, sslcert and sslkey need sslmode=verify-full');
    return false;
  }
  // Whoever names a CA wants its signature to be checked; libpq does the same.
  const verified = mode !== 'require' || caFile !== undefined;
  return { verified, named: mode === 'verify-full', caFile, certFile, keyFile };
}

function isMode(mode: string): mode is Mode {
  return MODES.some((known) => known === mode);
}

function isThisMachine(host: string): boolean {
  return host.startsWith('/') || host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function decoded<T extends Record<string, string>>(parts: T, problem: Problem): T {
  try {
    return Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, decodeURIComponent(part)])) as T;
  } catch {
    throw problem('user, password or database contains a % that is not the beginning of a %XX');
  }
}
