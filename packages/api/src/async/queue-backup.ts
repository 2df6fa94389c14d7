import { createReadStream, createWriteStream, existsSync, rmSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { FnError } from '@fnfleet/core';
import type { RouteHandler } from '@fnfleet/http';
import { contentsOfQueue, isQueueLocked, prepareRestoredQueue, type QueueContents } from '@fnfleet/queue';
import { copyDatabase, receiveDatabase, restoreDatabase, sqliteFile } from '@fnfleet/sqlite';
import type { ApiSettings } from '../settings.js';
import { besideDatabase, type QueueAccess, queueUrl } from './queue-access.js';

/** Says of which file a copy is: the node that is asked may be another one. */
const INODE_HEADER = 'fnfleet-queue-inode';

export type { QueueContents };

type Settings = Pick<ApiSettings, 'dbUrl' | 'mqUrl'>;

export interface SavedQueueFile extends QueueContents {
  readonly file: string;
}

/** The copy of a queue beside that of its database. */
export const queueCopyBeside = besideDatabase;

/**
 * Saves the queue of an API node beside a backup of its database, while the node uses it.
 * @param fetchCopy asks the node, which alone can open its queue while it runs: `GET /v2/queue/backup`
 * @returns undefined if there is no queue in a file
 * @throws Error when it cannot be read, or when something is in its place
 */
export async function backUpQueue(
  settings: Settings,
  backup: string,
  fetchCopy: () => Promise<Response>,
): Promise<SavedQueueFile | undefined> {
  const path = queueFile(settings);
  if (path === undefined || !existsSync(path)) return undefined;
  const file = queueCopyBeside(backup);
  if (!isQueueLocked(path)) copyDatabase(path, file);
  else await receiveDatabase(path, file, (draft) => receive(path, draft, fetchCopy));
  return { file, ...contentsOfQueue(file) };
}

async function receive(path: string, draft: string, fetchCopy: () => Promise<Response>): Promise<void> {
  const response = await fetchCopy();
  const isIts = response.headers.get(INODE_HEADER) === String(statSync(path, { bigint: true }).ino);
  if (response.status !== 200 || response.body === null || !isIts) {
    await response.body?.cancel();
    const why = response.status === 200 ? 'has another queue' : `answers ${response.status}`;
    throw new Error(
      `${path} is in use, and the API node that was asked for a copy ${why}: name its own node with --api`,
    );
  }
  await pipeline(Readable.fromWeb(response.body as never), createWriteStream(draft, { flags: 'wx', mode: 0o600 }));
}

/**
 * Restores the queue that was saved beside a backup, where there is none. None of its calls runs by itself: many may have ended
 * since the backup. Those that had not ended then are dead letters.
 * @returns `none`: the backup has no queue; `kept`: there is one, which goes on
 */
export async function restoreQueue(settings: Settings, backup: string): Promise<QueueContents | 'none' | 'kept'> {
  const path = queueFile(settings);
  const copy = queueCopyBeside(backup);
  if (path === undefined || !existsSync(copy)) return 'none';
  if (existsSync(path)) return 'kept';
  // Its name is not taken from what is there, because nothing is.
  await restoreDatabase(copy, path, {
    kept: `${path}.replaced`,
    prepare: async (draft) => prepareRestoredQueue(draft),
  });
  return contentsOfQueue(path);
}

/** `GET /v2/queue/backup`: one at a time, because each takes room on the disk. */
export function saveQueue(access: QueueAccess): RouteHandler {
  let isSaving = false;
  return async (_req, res) => {
    const queue = await access.open();
    if (queue.save === undefined) throw new FnError('queueNotInFile');
    if (isSaving) throw new FnError('queueOverloaded');
    isSaving = true;
    let file: string | undefined;
    try {
      const saved = await queue.save();
      file = saved.file;
      res.writeHead(200, {
        'Content-Type': 'application/vnd.sqlite3',
        'Content-Length': statSync(file).size,
        'Content-Disposition': `attachment; filename="${basename(file)}"`,
        [INODE_HEADER]: saved.inode,
      });
      // A client that leaves, or reads nothing, ends it.
      await pipeline(createReadStream(file), res).catch(() => undefined);
    } finally {
      isSaving = false;
      if (file !== undefined) rmSync(file, { force: true });
    }
  };
}

function queueFile(settings: Settings): string | undefined {
  return sqliteFile(queueUrl(settings) ?? '');
}
