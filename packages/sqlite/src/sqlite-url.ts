const SCHEME = 'sqlite3://';
const MEMORY = ':memory:';

/** The path in the URL of an SQLite database, which may be `:memory:`; undefined for the URL of another store, or without a path. */
export function sqlitePath(url: string): string | undefined {
  if (!url.startsWith(SCHEME)) return undefined;
  return url.slice(SCHEME.length).split('?', 1)[0] || undefined;
}

/** The file of an SQLite database; undefined if the URL names none, because it is of another store or the database is in memory. */
export function sqliteFile(url: string): string | undefined {
  const path = sqlitePath(url);
  return path === MEMORY ? undefined : path;
}

export function sqliteUrl(path: string): string {
  return `${SCHEME}${path}`;
}
