import { existsSync } from 'node:fs';
import { backup, DatabaseSync, type Session, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { FileTrouble, OpenFiles } from '@fnfleet/sqlite';
import type { TimeMark } from '../queue-time.js';
import { MIGRATION, SCHEMA, SCHEMA_VERSION } from './schema.js';

export const IN_MEMORY = ':memory:';

/** Pages after which the log is written into the database. Each time costs two syncs, so that few large ones are cheap. */
const CHECKPOINT_PAGES = 4_000;
/** SQLite may look at each page of it at each commit, and what is needed again is little: the ends of tables and indexes. */
const CACHE_KIB = 8 * 1024;
/** The log is truncated to this size after it has been larger. */
const MAX_LOG_BYTES = 64 * 1024 * 1024;

/** A file of this size may have as many free pages as it likes: they will be used again. 8 MiB. */
const KEPT_PAGES = 2_048;
/** How many pages one transaction gives back, so that other operations do not wait. 1 MiB. */
const GIVEN_BACK_PAGES = 256;
/** A file of an earlier release of which more is in use keeps its size: to rebuild it takes too long. 32 MiB. */
const MAX_REBUILT_PAGES = 8_192;
/** How many pages are copied at a time: a commit waits for one such portion. */
const SAVED_PAGES = 256;
/** A copy cannot begin while a transaction is open: how often it is tried, and how long after one another. */
const SAVE_ATTEMPTS = 500;
const SAVE_PAUSE_MS = 5;

/** Value of `auto_vacuum`. */
const INCREMENTAL = 2;

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
  /** Pages were given back, and the file is as long as before until the log is written into it. */
  private isShrinking = false;

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
    if (this.isShrinking && this.surplus === 0) {
      this.isShrinking = false;
      this.database.exec('pragma wal_checkpoint(passive)');
    }
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

  /** The values of rows, which are cheaper than objects. */
  allValues(sql: string, ...values: readonly SQLInputValue[]): unknown[][] {
    return this.valuesStatement(sql).all(...values) as unknown as unknown[][];
  }

  /** @returns how many rows were changed */
  run(sql: string, ...values: readonly SQLInputValue[]): number {
    const changes = Number(this.statement(sql).run(...values).changes);
    if (changes > 0) this.changed = true;
    return changes;
  }

  /** Bytes in use, without free pages and the log. */
  get bytes(): number {
    return (this.pages - this.freePages) * Number(this.one('pragma page_size')?.page_size);
  }

  /**
   * Gives free pages back to the file system, in the open transaction, if most of the file is free: after a large backlog.
   * @returns whether there are more of them
   */
  shrink(): boolean {
    const { surplus } = this;
    // A copy is as large as what it copies.
    if (surplus === 0 || this.recordsChanges) return false;
    this.database.exec(`pragma incremental_vacuum(${Math.min(surplus, GIVEN_BACK_PAGES)})`);
    this.isShrinking = true;
    this.changed = true;
    return true;
  }

  /** Free pages beyond those in use. */
  private get surplus(): number {
    if (Number(this.one('pragma auto_vacuum')?.auto_vacuum) !== INCREMENTAL) return 0;
    const { pages, freePages } = this;
    return Math.max(0, freePages - Math.max(KEPT_PAGES, pages - freePages));
  }

  private get pages(): number {
    return Number(this.one('pragma page_count')?.page_count);
  }

  private get freePages(): number {
    return Number(this.one('pragma freelist_count')?.freelist_count);
  }

  /** A consistent copy in a new file; commits in between become a part of it. */
  async save(file: string): Promise<void> {
    for (let attempts = 1; ; attempts += 1) {
      try {
        await backup(this.database, file, { rate: SAVED_PAGES });
        return;
      } catch (error) {
        // Node repeats later steps, but gives up if the first one, which runs in another thread, meets a transaction. It
        // then reports that there was no error.
        if ((error as { errcode?: number }).errcode !== 0 || attempts === SAVE_ATTEMPTS) throw error;
      }
      await delay(SAVE_PAUSE_MS);
    }
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

  /** Statements whose rows are read by `values` are not used otherwise. */
  private valuesStatement(sql: string): StatementSync {
    let statement = this.statements.get(sql);
    if (statement === undefined) {
      statement = this.statement(sql);
      statement.setReturnArrays(true);
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
    // Only an empty file takes it.
    database.exec('pragma auto_vacuum = incremental; vacuum');
    database.exec(`begin immediate; ${SCHEMA} commit`);
    return;
  }
  if (!tables.some(({ name }) => name === 'meta')) throw new FileTrouble('belongs to something other than a queue');
  const version = database.prepare('select version from meta').get()?.version;
  if (version === 1) database.exec(`begin immediate; ${MIGRATION} commit`);
  else if (version !== SCHEMA_VERSION) {
    throw new FileTrouble(`has schema version ${version}; this release knows ${SCHEMA_VERSION}`);
  }
  const mode = database.prepare('pragma auto_vacuum').get()?.auto_vacuum;
  const pages = Number(database.prepare('pragma page_count').get()?.page_count);
  const freePages = Number(database.prepare('pragma freelist_count').get()?.freelist_count);
  if (mode === INCREMENTAL || pages - freePages > MAX_REBUILT_PAGES) return;
  try {
    database.exec('pragma auto_vacuum = incremental; vacuum; pragma wal_checkpoint(truncate)');
  } catch {
    // There is no room for a second one. The queue works without.
  }
}
