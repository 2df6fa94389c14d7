import { existsSync } from 'node:fs';
import { DatabaseSync, type Session, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { FileTrouble, OpenFiles } from '@fnfleet/sqlite';
import type { TimeMark } from '../queue-time.js';
import { SCHEMA, SCHEMA_VERSION } from './schema.js';

export const IN_MEMORY = ':memory:';

/** Pages after which the log is written into the database. Each time costs two syncs, so that few large ones are cheap. */
const CHECKPOINT_PAGES = 4_000;
const CACHE_KIB = 32 * 1024;
/** The log is truncated to this size after it has been larger. */
const MAX_LOG_BYTES = 64 * 1024 * 1024;

export type Row = Readonly<Record<string, unknown>>;

/**
 * The file of a queue, open for one process alone: another one that opens it fails.
 *
 * F1  A commit has reached the disk, in the file at the path: SQLite continues with a deleted one, and what it writes there
 *     is lost with the process.
 */
export class QueueFile {
  private readonly statements = new Map<string, StatementSync>();
  /** Whether the open transaction has changed anything. */
  private changed = false;
  /** Of the open transaction. */
  private session: Session | undefined;

  private constructor(
    private readonly database: DatabaseSync,
    /** Undefined if the file need not outlive the process. */
    private readonly files: OpenFiles | undefined,
    /** Whether `changes` is asked for. */
    private readonly recordsChanges: boolean,
  ) {}

  /**
   * @param mustExist whether only a queue is opened, and none is created
   * @throws the error of SQLite, or FileTrouble
   */
  static open(
    path: string,
    { waitMs, mustExist }: { readonly waitMs: number; readonly mustExist: boolean },
  ): QueueFile {
    if (mustExist && !existsSync(path)) throw new FileTrouble('was deleted');
    return QueueFile.with(new DatabaseSync(path, { timeout: waitMs }), (database) => {
      // Before the log is opened: it then needs no index in shared memory, and no other process can open the file.
      database.exec('pragma locking_mode = exclusive');
      if (path !== IN_MEMORY) setUpLog(database);
      migrate(database, mustExist);
      return new QueueFile(database, path === IN_MEMORY ? undefined : new OpenFiles(path), false);
    });
  }

  /**
   * Opens a copy of a queue that is kept elsewhere: nothing is synced, and it may be deleted while it is open.
   * @throws the error of SQLite, or FileTrouble
   */
  static openCopy(path: string): QueueFile {
    return QueueFile.with(new DatabaseSync(path), (database) => {
      database.exec('pragma locking_mode = exclusive; pragma journal_mode = memory; pragma synchronous = off');
      migrate(database, false);
      return new QueueFile(database, undefined, true);
    });
  }

  private static with(database: DatabaseSync, open: (database: DatabaseSync) => QueueFile): QueueFile {
    try {
      const file = open(database);
      database.exec(`pragma cache_size = -${CACHE_KIB}`);
      return file;
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /** Whether another file is at the path, or the log is gone. */
  get isReplaced(): boolean {
    const trouble = this.files?.trouble;
    if (trouble === 'deleted') throw new FileTrouble('was deleted');
    return trouble !== undefined;
  }

  /** The moment that was recorded last; undefined in a new file. */
  get lastMark(): TimeMark | undefined {
    const row = this.one('select at, wall from meta');
    if (row === undefined || row.at === null) return undefined;
    return { at: Number(row.at), wall: Number(row.wall) };
  }

  mark({ at, wall }: TimeMark): void {
    this.run('update meta set at = ?, wall = ?', at, wall);
  }

  /** @param isRecorded whether `changes` will be asked for */
  begin(isRecorded = this.recordsChanges): void {
    this.changed = false;
    this.statement('begin immediate').run();
    if (isRecorded) this.session = this.database.createSession();
  }

  /** @returns whether anything was written. @throws FileTrouble: F1 */
  commit(): boolean {
    this.endSession();
    this.statement('commit').run();
    const trouble = this.files?.trouble;
    if (trouble !== undefined) throw new FileTrouble(`was ${trouble}`);
    return this.changed;
  }

  rollback(): void {
    this.endSession();
    if (this.database.isTransaction) this.database.exec('rollback');
  }

  /** What the open transaction has changed so far, except for the mark, in the format of SQLite's patch sets. */
  changes(): Uint8Array {
    return this.session?.patchset() ?? new Uint8Array();
  }

  /** Does in the open transaction what `changes` of another file says. @throws FileTrouble if that does not fit */
  apply(changes: Uint8Array): void {
    if (changes.length > 0 && !this.database.applyChangeset(changes)) throw new FileTrouble('differs from its log');
  }

  get hasChanged(): boolean {
    return this.changed;
  }

  one(sql: string, ...values: readonly SQLInputValue[]): Row | undefined {
    return this.statement(sql).get(...values);
  }

  all(sql: string, ...values: readonly SQLInputValue[]): Row[] {
    return this.statement(sql).all(...values);
  }

  /** @returns how many rows were changed */
  run(sql: string, ...values: readonly SQLInputValue[]): number {
    const changes = Number(this.statement(sql).run(...values).changes);
    if (changes > 0) this.changed = true;
    return changes;
  }

  /** Bytes in use, without free pages and the log. */
  get bytes(): number {
    const pages = Number(this.one('pragma page_count')?.page_count);
    const free = Number(this.one('pragma freelist_count')?.freelist_count);
    return (pages - free) * Number(this.one('pragma page_size')?.page_size);
  }

  close(): void {
    this.endSession();
    this.statements.clear();
    this.database.close();
  }

  private endSession(): void {
    this.session?.close();
    this.session = undefined;
  }

  private statement(sql: string): StatementSync {
    let statement = this.statements.get(sql);
    if (statement === undefined) {
      statement = this.database.prepare(sql);
      this.statements.set(sql, statement);
    }
    return statement;
  }
}

function setUpLog(database: DatabaseSync): void {
  const mode = database.prepare('pragma journal_mode = wal').get()?.journal_mode;
  if (mode !== 'wal') throw new FileTrouble(`is on a file system where SQLite cannot keep a write-ahead log (${mode})`);
  // F1: the log is synced at each commit.
  database.exec('pragma synchronous = full');
  database.exec(`pragma wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
  database.exec(`pragma journal_size_limit = ${MAX_LOG_BYTES}`);
}

function migrate(database: DatabaseSync, mustExist: boolean): void {
  const tables = database.prepare("select name from sqlite_schema where type = 'table'").all();
  if (tables.length === 0) {
    if (mustExist) throw new FileTrouble('was replaced by one without a schema');
    database.exec(`begin immediate; ${SCHEMA} commit`);
    return;
  }
  if (!tables.some(({ name }) => name === 'meta')) throw new FileTrouble('belongs to something other than a queue');
  const version = database.prepare('select version from meta').get()?.version;
  if (version !== SCHEMA_VERSION) {
    throw new FileTrouble(`has schema version ${version}; this release knows ${SCHEMA_VERSION}`);
  }
}
