// takes: 5 s
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { MessageQueue } from '../message-queue.js';
import { type EngineOptions, QueueEngine } from './queue-engine.js';
import { openSqliteQueue, type SqliteQueueThread } from './sqlite-queue.js';

/** A full disk needs a file system of its own. */
const MAY_MOUNT = process.platform === 'linux' && process.getuid?.() === 0;
const ANSWER = { head: '{}', body: Buffer.from('x') };

let root: string;
let path: string;
let queue: MessageQueue | undefined;
let pushed: number;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'fnfleet-queue-faults-'));
  path = join(root, 'data', 'mq.db');
  pushed = 0;
});
afterEach(async () => {
  await queue?.close();
  queue = undefined;
  rmSync(root, { recursive: true });
});

const open = async () => {
  queue = await openSqliteQueue({ path, timeoutMs: 10_000 });
  return queue;
};
const push = async (to: MessageQueue, size = 100) => {
  pushed += 1;
  const callId = `c${pushed}`;
  await to.push({ callId, fnId: 'f', head: '{}', body: Buffer.alloc(size) });
  return callId;
};
const failure = (asked: Promise<unknown>) => asked.then(String, (error: Error) => error);
/** The engine in this thread; has the kinds of operations of each batch. */
function recording(options: EngineOptions, batches: string[][]): SqliteQueueThread {
  const engine = new QueueEngine(options);
  return {
    async ask(request) {
      if (request.kind === 'save') return undefined;
      if (request.kind === 'batch') batches.push(request.operations.map(({ kind }) => kind));
      return engine.handle(request);
    },
    close: async () => engine.forget(),
  };
}
/** The message and its cause, as `fnfleet node` prints them. */
const why = async () => {
  const error = (await failure(openSqliteQueue({ path }))) as Error;
  return `${error.message} ${(error.cause as Error | undefined)?.message}`;
};

/** A complete copy, taken while no process has the file. */
async function backUp(): Promise<string> {
  await queue?.close();
  const copy = join(root, 'backup.db');
  copyFileSync(path, copy);
  await open();
  return copy;
}

interface Fault {
  readonly what: string;
  /** @returns what mends it */
  readonly happens: (backup: string) => () => void;
  readonly says: RegExp;
}

const FAULTS: readonly Fault[] = [
  {
    what: 'its file is deleted',
    happens: (backup) => {
      rmSync(path);
      return () => copyFileSync(backup, path);
    },
    says: /its file was deleted/,
  },
  {
    what: 'its directory is deleted',
    happens: (backup) => {
      rmSync(dirname(path), { recursive: true });
      return () => {
        mkdirSync(dirname(path));
        copyFileSync(backup, path);
      };
    },
    says: /its file was deleted/,
  },
  {
    what: 'there is an empty file in its place',
    happens: (backup) => {
      writeFileSync(join(root, 'empty'), '');
      renameSync(join(root, 'empty'), path);
      return () => renameSync(backup, path);
    },
    says: /its file was replaced by one without a schema/,
  },
  {
    what: 'there is garbage in its place',
    happens: (backup) => {
      writeFileSync(join(root, 'garbage'), 'garbage'.repeat(1_000));
      renameSync(join(root, 'garbage'), path);
      return () => renameSync(backup, path);
    },
    says: /its file is not a database/,
  },
];

it.each(FAULTS)('when $what, a queue acknowledges nothing, and works again when it is restored', async (fault) => {
  const kept = await push(await open());
  const backup = await backUp();
  const used = await opened();
  const mend = fault.happens(backup);
  for (const act of [() => push(used), () => used.get(kept), () => used.stats()]) {
    const error = await failure(act());
    expect(error).toMatchObject({ code: 'databaseFailed' });
    expect((error as Error).message).toMatch(fault.says);
    expect(((error as Error).cause as Error).message).toContain(`FN_MQ_URL: ${path}`);
  }
  mend();
  const later = await push(used);
  const deliveries = await used.reserve({ holder: 'h', limit: 10, leaseMs: 1_000 });
  expect(deliveries.map(({ lease }) => lease.callId)).toEqual([kept, later]);
});

async function opened(): Promise<MessageQueue> {
  if (queue === undefined) throw new Error('not open');
  return queue;
}

it('when its disk is full, it refuses calls, keeps those it has, and works again when there is room', async () => {
  if (!MAY_MOUNT) return;
  const disk = dirname(path);
  mkdirSync(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk]);
  try {
    const used = await open();
    const accepted: string[] = [];
    let refused: unknown;
    while (refused === undefined) {
      await push(used, 20_000).then(
        (callId) => accepted.push(callId),
        (error) => {
          refused = error;
        },
      );
    }
    expect(refused).toMatchObject({ code: 'databaseFailed', message: expect.stringContaining('its disk is full') });
    execFileSync('mount', ['-o', 'remount,size=8m', disk]);
    const deliveries = await used.reserve({ holder: 'h', limit: 1_000, leaseMs: 60_000 });
    expect(deliveries.map(({ lease }) => lease.callId)).toEqual(accepted);
    for (const { lease } of deliveries) expect(await used.complete(lease, ANSWER)).toEqual({ kind: 'completed' });
    await push(used, 20_000);
    await used.close();
    const database = new DatabaseSync(path);
    expect(database.prepare('pragma integrity_check').all()).toEqual([{ integrity_check: 'ok' }]);
    database.close();
  } finally {
    await queue?.close();
    execFileSync('umount', ['-l', disk]);
  }
});

it('limits the operations and the reservations that wait, and the bytes of the operations', async () => {
  queue = await openSqliteQueue({ path, maxWaiting: 3, maxWaitingBytes: 1_000 });
  const used = queue;
  const codes = async (asked: readonly Promise<unknown>[]) =>
    (
      await Promise.all(
        asked.map((promise) =>
          promise.then(
            () => 'done',
            (error) => error.code,
          ),
        ),
      )
    ).sort();
  const many = (size: number) => codes(Array.from({ length: 5 }, () => push(used, size)));
  expect(await many(1)).toEqual(['done', 'done', 'done', 'queueOverloaded', 'queueOverloaded']);
  expect(await many(450)).toEqual(['done', 'done', 'queueOverloaded', 'queueOverloaded', 'queueOverloaded']);
  const deliveries = await used.reserve({ holder: 'h', limit: 10, leaseMs: 60_000 });
  // What makes room is never refused.
  const ends = deliveries.map(({ lease }) => used.complete(lease, ANSWER));
  expect(await codes(ends)).toEqual(Array(5).fill('done'));

  const controller = new AbortController();
  const wait = () => used.reserve({ holder: 'h', limit: 1, leaseMs: 1, waitMs: 60_000 }, controller.signal);
  const waiting: Promise<unknown>[] = [];
  for (let n = 0; n < 3; n += 1) {
    waiting.push(wait());
    // Each waits before the next.
    await used.stats();
    await used.stats();
  }
  await expect(wait()).rejects.toMatchObject({ code: 'queueOverloaded' });
  controller.abort();
  expect(await Promise.all(waiting)).toEqual([[], [], []]);
  await push(used);
});

it('many who look at calls, or ask for them, do not hold up those who hand them in, nor fill the memory', async () => {
  const batches: string[][] = [];
  queue = await openSqliteQueue({ path, maxWaiting: 100, startThread: (options) => recording(options, batches) });
  const used = queue;
  const first = await push(used);
  batches.length = 0;
  const asked = Array.from({ length: 20 }, () => [
    ...[used.list({ limit: 1 }), used.payload(first), used.get(first), used.result(first), used.log(first)],
    ...Array.from({ length: 5 }, () => used.reserve({ holder: 'h', limit: 1, leaseMs: 1 })),
  ]).flat();
  await push(used);
  expect(batches.findIndex((kinds) => kinds.includes('push'))).toBe(0);
  await Promise.all(asked);
  const most = (...wanted: string[]) =>
    Math.max(...batches.map((kinds) => kinds.filter((kind) => wanted.includes(kind)).length));
  expect(most('list', 'payload', 'get', 'result', 'log')).toBe(8);
  expect(most('reserve')).toBe(16);
});

it('forgets functions that were deleted, or of which nothing is left, when it is opened again', async () => {
  const used = await open();
  for (const fnId of ['gone', 'deleted', 'limited', 'waits']) {
    await used.push({ callId: fnId, fnId, head: '', body: Buffer.alloc(0) });
  }
  await used.configure('limited', { concurrency: 1 });
  await used.buryFunction('deleted', { code: 'fnNotFound', message: '' });
  for (const { lease } of await used.reserve({ holder: 'h', limit: 3, leaseMs: 60_000 })) {
    if (lease.callId !== 'waits') await used.bury(lease, { code: 'x', message: '' });
  }
  await used.purge({ all: true });
  await used.close();
  await (await open()).close();
  const database = new DatabaseSync(path);
  const left = database.prepare('select fn_id from functions order by fn_id').all();
  database.close();
  expect(left.map(({ fn_id }) => fn_id)).toEqual(['limited', 'waits']);
});

it('does not remember functions that were deleted and never called', async () => {
  const used = await open();
  for (let n = 0; n < 10; n += 1) await used.buryFunction(`f${n}`, { code: 'fnNotFound', message: '' });
  await used.close();
  const database = new DatabaseSync(path);
  const left = database.prepare('select count(*) as found from functions').get();
  database.close();
  expect(left).toEqual({ found: 0 });
});

it('one process has the file at a time, and another is told', async () => {
  await push(await open());
  // SQLite waits for the lock in real time. A thread that starts slowly on a busy machine has all the time.
  const program = `
    const { openSqliteQueue } = require(process.argv[1]);
    const { FakeClock } = require(process.argv[3]);
    // No timer of that clock keeps the process.
    const stay = setInterval(() => undefined, 1_000);
    openSqliteQueue({ path: process.argv[2], timeoutMs: 100, clock: new FakeClock() })
      .catch((error) => console.log(error.message, error.cause.message))
      .finally(() => clearInterval(stay));
  `;
  const said = execFileSync(
    process.execPath,
    ['--no-warnings', '-e', program, join(__dirname, 'sqlite-queue.js'), path, require.resolve('@fnfleet/core')],
    { encoding: 'utf8' },
  );
  expect(said).toContain(`FN_MQ_URL: ${path}: database is locked: another process has it locked`);
  await push(await opened());
});

it.each`
  what                                   | make                                                                                                 | says
  ${'a newer release has written it'}    | ${(db: DatabaseSync) => db.exec('create table meta (version integer); insert into meta values (3)')} | ${/FN_MQ_URL: .*mq\.db has schema version 3; this release knows 2/}
  ${'it is the database of an API node'} | ${(db: DatabaseSync) => db.exec('create table apps (id text)')}                                      | ${/FN_MQ_URL: .*mq\.db belongs to something other than a queue/}
`('is not opened if $what', async ({ make, says }) => {
  mkdirSync(dirname(path));
  const database = new DatabaseSync(path);
  make(database);
  database.close();
  expect(await why()).toMatch(says);
});

it('takes over a file that did not know the apps of functions', async () => {
  const callId = await push(await open());
  await queue?.close();
  const database = new DatabaseSync(path);
  database.exec('alter table functions drop column app; update meta set version = 1');
  database.close();
  const used = await open();
  await used.push({ callId: 'another', fnId: 'f', app: 'shop', ...ANSWER });
  const leased = await used.reserve({ holder: 'lb', limit: 2, leaseMs: 1_000 });
  expect(leased.map(({ lease }) => lease.callId)).toEqual([callId, 'another']);
});

it('has files that only their owner can read, whatever the umask', async () => {
  const umask = process.umask(0);
  try {
    await push(await open());
  } finally {
    process.umask(umask);
  }
  const mode = (file: string) => (statSync(file).mode & 0o777).toString(8);
  expect([dirname(path), path, `${path}-wal`].map(mode)).toEqual(['700', '600', '600']);
});
