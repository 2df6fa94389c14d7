/** Requests of the process to a database thread, which answers them in order. */
export type ThreadRequest =
  /** Executes a statement, within the open transaction if there is one. */
  | { readonly kind: 'query'; readonly sql: string; readonly parameters: readonly unknown[] }
  /** Begins a transaction with the write lock, and waits for it for up to the given time. */
  | { readonly kind: 'begin'; readonly waitMs: number }
  | { readonly kind: 'commit' }
  /** Ends the transaction, if one is open. */
  | { readonly kind: 'rollback' }
  /** The file was replaced: switch to the one that is at the path now. */
  | { readonly kind: 'reopen' }
  /** From now on, only files with the newest schema are opened. */
  | { readonly kind: 'migrated' }
  | { readonly kind: 'close' };

export interface QueryAnswer {
  readonly rows: unknown[];
  readonly changes: number | bigint;
  readonly lastInsertRowid: number | bigint;
  /** It is from a file that another one has replaced. */
  readonly isOutdated?: boolean;
}

export interface ThreadData {
  readonly path: string;
  /** The writer watches the file and its log; the reader continues with its open file. */
  readonly role: 'reader' | 'writer';
  /** Default time to wait for a lock. */
  readonly waitMs: number;
  /** Newest versions of the schema, by the table that records each. */
  readonly schemaVersions: Readonly<Record<string, number>>;
  /** Whether the file has been migrated: a replacement must then have the newest schema. */
  readonly migrated?: boolean;
}

export const IN_MEMORY = ':memory:';
