import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { newDraft, removeDatabase } from '@fnfleet/sqlite';
import { DEFAULT_BOUNDS } from '../bounds.js';
import type { SavedQueue } from '../message-queue.js';
import { CANCELLED, DEAD, RUNNING, SUCCESS } from '../message-row.js';

const BUSY = 5;
/** The `user_version` of a restored queue that no process has opened. */
export const IS_RESTORED = 1;
/** The reason of calls that were restored as dead letters, in JSON. */
export const RESTORED = JSON.stringify({
  code: 'restored',
  message: 'restored from a backup: it may have run after that was made',
});

/** How many calls a file holds. */
export interface QueueContents {
  /** They wait or run. */
  readonly waiting: number;
  readonly dead: number;
  readonly ended: number;
}

/**
 * Makes a copy beside a queue.
 * @param save writes it into a file that does not exist
 */
export async function saveBeside(path: string, save: (file: string) => Promise<unknown>): Promise<SavedQueue> {
  const file = newDraft(`${path}.saving-`);
  try {
    await save(file);
    return { file, inode: String(statSync(path, { bigint: true }).ino) };
  } catch (error) {
    removeDatabase(file);
    throw error;
  }
}

/** Whether a process has the queue open. */
export function isQueueLocked(path: string): boolean {
  try {
    opened(path, (database) => database.prepare('select version from meta').get());
    return false;
  } catch (error) {
    if ((Number((error as { errcode?: number }).errcode) & 0xff) === BUSY) return true;
    throw error;
  }
}

export function contentsOfQueue(path: string): QueueContents {
  return opened(path, (database) => {
    const count = (states: string) =>
      Number(database.prepare(`select count(*) as found from messages where state in (${states})`).get()?.found);
    return { waiting: count(`0, 1, ${RUNNING}`), dead: count(`${DEAD}`), ended: count(`${SUCCESS}, ${CANCELLED}`) };
  });
}

/**
 * Makes dead letters of the calls of an old copy that had not ended: they may have ended since, and must not run again unless
 * somebody wants that.
 * @throws Error unless the file is a queue
 */
export function prepareRestoredQueue(path: string): void {
  opened(path, (database) => {
    const known = database.prepare("select 1 from sqlite_schema where name in ('meta', 'messages')").all();
    if (known.length !== 2) throw new Error(`${path} is not a queue of asynchronous calls`);
    database
      .prepare(
        `update messages set state = ${DEAD}, due = (select coalesce(at, accepted_at) from meta) + ?, token = null,
           ended_wall = (select coalesce(wall, accepted_wall) from meta), reason = ? where state <= ${RUNNING}`,
      )
      .run(DEFAULT_BOUNDS.keepDeadMs, RESTORED);
    // The node knows how long dead letters are kept.
    database.exec(`pragma user_version = ${IS_RESTORED}`);
  });
}

function opened<T>(path: string, use: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    return use(database);
  } finally {
    database.close();
  }
}
