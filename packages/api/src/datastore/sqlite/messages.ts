/** What the process asks of a thread that has a database open. Answered in the order of asking. */
export type ThreadRequest =
  /** A statement: in the transaction that is open, or by itself. */
  | { readonly kind: 'query'; readonly sql: string; readonly parameters: readonly unknown[] }
  /** Takes the write lock, waiting for others as long as is said. */
  | { readonly kind: 'begin'; readonly waitMs: number }
  | { readonly kind: 'commit' }
  /** Also when none is open. */
  | { readonly kind: 'rollback' }
  /** The file has been replaced: the one that is there now is to be used. */
  | { readonly kind: 'reopen' }
  /** From now on, only a file of the newest schema is opened. */
  | { readonly kind: 'migrated' }
  | { readonly kind: 'close' };

export interface QueryAnswer {
  readonly rows: unknown[];
  readonly changes: number | bigint;
  readonly lastInsertRowid: number | bigint;
}

/** What SQLite, or the look at its file, says is wrong. */
export interface DatabaseProblem {
  readonly message: string;
  /** Extended result code of SQLite. Undefined: it is not SQLite that complains. */
  readonly errcode?: number;
  /** What is wrong with the file, as in "its file …". */
  readonly fileTrouble?: string;
}

export type ThreadAnswer =
  | { readonly id: number; readonly answer: QueryAnswer | undefined }
  | { readonly id: number; readonly problem: DatabaseProblem }
  /** Unasked: there is another file at the path than the one that is open. */
  | { readonly event: 'replaced' };

export interface ThreadData {
  readonly path: string;
  /** The writer looks after the file and its log; the reader goes on with what it has. */
  readonly role: 'reader' | 'writer';
  /** How long it waits for a lock, where a request does not say. */
  readonly waitMs: number;
  /** The newest schema. */
  readonly schemaVersion: number;
  /** The file has been brought to the newest schema; one that takes its place has to have it. */
  readonly migrated?: boolean;
}

export const IN_MEMORY = ':memory:';
