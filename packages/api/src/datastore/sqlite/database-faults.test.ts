// takes: 7 s
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { PassThrough } from 'node:stream';
import { type Clock, createLogger, FakeClock, systemClock, wallMs } from '@fnfleet/core';
import { newApp } from '@fnfleet/core/resources';
import { OtherProcess } from '../../test-kit/other-process.js';
import { TestApi } from '../../test-kit/test-api.js';
import { openDatastore } from '../open-datastore.js';

/** Some faults need a file system of one's own. */
const MAY_MOUNT = process.platform === 'linux' && process.getuid?.() === 0;

let root: string;
let path: string;
let node: TestApi | undefined;
let other: OtherProcess | undefined;
let log: PassThrough;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'fnfleet-faults-'));
  path = join(root, 'data', 'fn.db');
  log = new PassThrough();
});
afterEach(async () => {
  await other?.end();
  await node?.server.close();
  node = undefined;
  other = undefined;
  rmSync(root, { recursive: true });
});

async function start(env: Record<string, string> = {}, clock: Clock = systemClock): Promise<TestApi> {
  const logger = createLogger({ level: 'info', format: 'text', stream: log });
  const settings = { FN_DB_URL: `sqlite3://${path}`, FN_DB_TIMEOUT_MSECS: '10000', ...env };
  node = await TestApi.start({ env: settings, logger, clock });
  return node;
}

const logged = () => String(log.read());

describe('while another process has the write lock of the database', () => {
  it('answers health checks and lookups, fails a change with 503 after its time limit, and applies it when the lock is free', async () => {
    // SQLite waits for the lock in real time. What else may take so long on a busy machine has all the time.
    const api = await start({ FN_DB_TIMEOUT_MSECS: '3000' }, new FakeClock());
    const id = await api.app('before');
    expect((await api.get(`/v2/apps/${id}`)).status).toBe(200);
    other = new OtherProcess(path);
    await other.exec('begin immediate');

    const ended: string[] = [];
    const change = api.post('/v2/apps', { name: 'late' }).then((answer) => {
      ended.push('change');
      return answer;
    });
    for (let round = 0; round < 3; round += 1) {
      expect((await api.get('/healthz')).status).toBe(200);
      expect((await api.get(`/v2/apps/${id}`)).status).toBe(200);
    }
    expect(ended).toEqual([]);

    const refused = await change;
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5']);
    expect(refused.body.message).toBe(
      'The database is locked by another process, and nothing was changed: try again later',
    );
    expect(logged()).toMatch(`FN_DB_URL: ${path}: database is locked`);

    const waiting = api.post('/v2/apps', { name: 'late' });
    await other.exec('rollback');
    expect((await waiting).status).toBe(200);
  });

  it('lets a limited number of changes wait, and applies them in order of arrival', async () => {
    const api = await start({ FN_DB_TIMEOUT_MSECS: '60000', FN_DB_MAX_WAITING: '3' });
    other = new OtherProcess(path);
    await other.exec('begin immediate');
    const made: string[] = [];
    const changes: Promise<unknown>[] = [];
    for (const name of ['a', 'b', 'c', 'd']) {
      changes.push(api.app(name).then(() => made.push(name)));
      // Each is on its way before the next.
      await api.get('/healthz');
    }
    const refused = await api.post('/v2/apps', { name: 'e' });
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5']);
    expect(refused.body.message).toBe('Too many requests are waiting for the database: try again later');
    await other.exec('rollback');
    await Promise.all(changes);
    expect(made).toEqual(['a', 'b', 'c', 'd']);
  });
});

/** Puts a complete copy of the database aside. */
function backUp(): string {
  const copy = join(root, `backup-${Math.random()}.db`);
  const database = new DatabaseSync(path);
  database.exec(`vacuum into '${copy}'`);
  database.close();
  return copy;
}

interface Fault {
  readonly what: string;
  /** @returns what mends it */
  readonly happens: () => (() => void) | Promise<() => void>;
  /** To a change, and in the log with the path. Undefined: nothing is to be seen of it. */
  readonly says: RegExp | undefined;
}

/** Something else at the path, from one moment to the next. */
function replaceBy(make: (draft: string) => void): () => void {
  const backup = backUp();
  const draft = join(root, 'draft.db');
  make(draft);
  renameSync(draft, path);
  return () => renameSync(backup, path);
}

const FAULTS: readonly Fault[] = [
  {
    what: 'its file is deleted',
    happens: () => {
      const backup = backUp();
      rmSync(path);
      return () => copyFileSync(backup, path);
    },
    says: /its file was deleted/,
  },
  {
    what: 'its directory is deleted',
    happens: () => {
      const backup = backUp();
      rmSync(dirname(path), { recursive: true });
      return () => {
        mkdirSync(dirname(path));
        copyFileSync(backup, path);
      };
    },
    says: /its file was deleted/,
  },
  {
    what: 'there is a folder in its place',
    happens: () => {
      const backup = backUp();
      rmSync(path);
      mkdirSync(path);
      return () => {
        rmdirSync(path);
        renameSync(backup, path);
      };
    },
    says: /its file or its log cannot be opened/,
  },
  {
    what: 'there is garbage in its place',
    happens: () => replaceBy((draft) => writeFileSync(draft, 'garbage'.repeat(10_000))),
    says: /its file is not a database/,
  },
  {
    what: 'there is an empty file in its place',
    happens: () => replaceBy((draft) => writeFileSync(draft, '')),
    says: /its file was replaced by one without the table schema_migrations/,
  },
  {
    what: 'there is one of a newer release in its place',
    happens: () =>
      replaceBy((draft) => {
        copyFileSync(backUp(), draft);
        const database = new DatabaseSync(draft);
        database.exec('update schema_migrations set version = 27');
        database.close();
      }),
    says: /its file was replaced by one of version 27, not 26, in schema_migrations/,
  },
  {
    what: 'there is one of Fn in its place',
    happens: () =>
      replaceBy((draft) => {
        copyFileSync(backUp(), draft);
        const database = new DatabaseSync(draft);
        database.exec('drop table fnfleet_schema; drop table fnfleet_changes');
        database.close();
      }),
    says: /its file was replaced by one without the table fnfleet_schema/,
  },
  {
    what: 'a backup is put in its place',
    happens: () => {
      renameSync(backUp(), path);
      return () => undefined;
    },
    says: undefined,
  },
  {
    what: 'its log is deleted',
    happens: () => {
      rmSync(`${path}-wal`);
      return () => undefined;
    },
    says: undefined,
  },
  {
    what: 'its log and the index of it are deleted',
    happens: () => {
      rmSync(`${path}-wal`);
      rmSync(`${path}-shm`);
      return () => undefined;
    },
    says: undefined,
  },
  {
    what: 'its log cannot be made',
    happens: () => {
      rmSync(`${path}-wal`);
      mkdirSync(`${path}-wal`);
      return () => rmdirSync(`${path}-wal`);
    },
    says: /its file or its log cannot be opened/,
  },
];

const ON_ITS_OWN_DISK: readonly Fault[] = [
  {
    what: 'its disk is full',
    happens: () => {
      const filler = join(root, 'data', 'filler');
      try {
        for (;;) writeFileSync(filler, 'x'.repeat(4096), { flag: 'a' });
      } catch {
        return () => rmSync(filler);
      }
    },
    says: /its disk is full/,
  },
];

/** On a machine where nothing can be mounted there is nothing to see. */
async function onItsOwnDisk(act: () => Promise<void>): Promise<void> {
  if (!MAY_MOUNT) return;
  const disk = join(root, 'data');
  mkdirSync(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', disk]);
  try {
    await act();
  } finally {
    await node?.server.close();
    execFileSync('umount', ['-l', disk]);
  }
}

async function survives({ happens, says }: Fault): Promise<void> {
  const api = await start();
  const before = await api.app('before');
  expect((await api.get(`/v2/apps/${before}`)).status).toBe(200);

  const mend = await happens();
  const refused: (string | undefined)[] = [];
  for (const name of ['x', 'y']) {
    const { status, body, headers } = await api.post('/v2/apps', { name });
    expect(status).toBe(says === undefined ? 200 : 503);
    if (says === undefined) continue;
    expect(body.message).toMatch(says);
    expect(headers.get('retry-after')).toBe('15');
    refused.push(name);
  }
  expect((await api.get('/healthz')).status).toBe(200);
  // What was known is known.
  expect((await api.get(`/v2/apps/${before}`)).status).toBe(200);
  if (says !== undefined) expect(logged()).toContain(`FN_DB_URL: ${path}`);

  await mend();
  const after = await api.app('after');
  for (const id of [before, after]) expect((await api.get(`/v2/apps/${id}`)).status).toBe(200);
  const { body } = await api.get('/v2/apps');
  const names = (body.items as { name: string }[]).map(({ name }) => name);
  expect(names).toEqual(['after', 'before', ...(says === undefined ? ['x', 'y'] : [])]);

  await api.server.close();
  const database = new DatabaseSync(path);
  expect(database.prepare('pragma integrity_check').get()?.integrity_check).toBe('ok');
  const kept = database.prepare('select name from apps order by name').all();
  expect(kept.map((row) => row.name)).toEqual(names);
  database.close();
}

describe('a database in use', () => {
  it.each(FAULTS)('when $what, acknowledges only what is stored, and works again afterwards', survives);

  it.each(ON_ITS_OWN_DISK)('when $what, the same', (fault) => onItsOwnDisk(() => survives(fault)));
});

it('the first read after a restore, and the next ones, see the restored database', async () => {
  const store = await openDatastore(`sqlite3://${path}`);
  try {
    const appNames = async () => (await store.apps.list({ limit: 10 })).map(({ name }) => name);
    await store.apps.insert(newApp({ name: 'before' }, 'a', wallMs(1)));
    const restored = join(root, 'restored.db');
    const other = await openDatastore(`sqlite3://${restored}`);
    await other.apps.insert(newApp({ name: 'restored' }, 'b', wallMs(1)));
    await other.close();
    expect(await appNames()).toEqual(['before']);
    for (const name of ['-wal', '-shm']) rmSync(`${path}${name}`);
    renameSync(restored, path);
    expect(await Promise.all([appNames(), appNames()])).toEqual([['restored'], ['restored']]);
    await store.apps.insert(newApp({ name: 'afterwards' }, 'c', wallMs(1)));
    expect(await appNames()).toEqual(['afterwards', 'restored']);
  } finally {
    await store.close();
  }
});

describe('a database that cannot be used keeps a node from starting', () => {
  /** SQLite waits for a lock in real time. A thread that starts slowly on a busy machine has all the time. */
  const opened = (to = path) =>
    openDatastore(`sqlite3://${to}`, { timeoutMs: 100, clock: new FakeClock() }).then((store) => store.close());
  /** The message and its causes, as `fnfleet node` prints them. */
  const why = async (to?: string) => {
    const error = await opened(to).catch((reason: Error) => reason);
    return `${error?.message} ${(error?.cause as Error | undefined)?.message}`;
  };

  it.each`
    what                              | happens                                                | says
    ${'its directory cannot be made'} | ${() => writeFileSync(join(root, 'data'), '')}         | ${/FN_DB_URL: .*fn\.db: EEXIST.* its directory must exist and be writable/}
    ${'it is a directory'}            | ${() => mkdirSync(path, { recursive: true })}          | ${/FN_DB_URL: .*fn\.db: unable to open database file/}
    ${'it is something else'}         | ${() => other_file('no database'.repeat(1_000))}       | ${/FN_DB_URL: .*fn\.db: file is not a database: replace it with a backup/}
    ${'its log cannot be made'}       | ${() => mkdirSync(`${path}-wal`, { recursive: true })} | ${/FN_DB_URL: .*fn\.db: disk I\/O error: .*-wal and -shm/}
  `('when $what: the error names FN_DB_URL, the path and the remedy', async ({ happens, says }) => {
    happens();
    expect(await why()).toMatch(says);
  });

  function other_file(text: string): void {
    mkdirSync(dirname(path));
    writeFileSync(path, text);
  }

  it('when it is on a read-only file system', () =>
    onItsOwnDisk(async () => {
      await opened();
      execFileSync('mount', ['-o', 'remount,ro', join(root, 'data')]);
      expect(await why()).toMatch(/^The database cannot be used: .*FN_DB_URL: .*fn\.db: .*writable for the user/);
    }));

  it('when its pages are damaged', async () => {
    await opened();
    const size = statSync(path).size;
    const database = new DatabaseSync(path);
    database.exec('pragma wal_checkpoint(truncate)');
    database.close();
    writeFileSync(path, Buffer.alloc(size - 100, 0xff), { flag: 'r+' });
    expect(await why()).toMatch(/FN_DB_URL: .*fn\.db: .*(not a database|malformed)/);
  });

  it('when another process has locked it exclusively', async () => {
    await opened();
    other = new OtherProcess(path);
    await other.exec('pragma locking_mode = exclusive');
    await other.exec('begin immediate');
    await other.exec('commit');
    expect(await why()).toMatch(/^The database is locked by another process.* FN_DB_URL: .*fn\.db: database is locked/);
    await other.end();
    await opened();
  });

  it.each(['', '/dev/null', '/proc/version'])('when its path is %j', async (to) => {
    expect(await why(to)).toMatch(/FN_DB_URL: /);
  });
});

describe('the files of a database', () => {
  const mode = (file: string) => (statSync(file).mode & 0o777).toString(8);

  it('are accessible only for their owner, whatever the umask', async () => {
    const umask = process.umask(0);
    try {
      await (await start()).app('a');
    } finally {
      process.umask(umask);
    }
    expect([dirname(path), path, `${path}-wal`, `${path}-shm`].map(mode)).toEqual(['700', '600', '600', '600']);
    expect(logged()).not.toContain('open to other users');
  });

  it('lose access for other users, which is logged', async () => {
    await (await start()).server.close();
    chmodSync(path, 0o644);
    await (await start()).app('a');
    expect([path, `${path}-wal`, `${path}-shm`].map(mode)).toEqual(['600', '600', '600']);
    expect(logged()).toMatch(new RegExp(`WARN .*removed access of other users to the database file=${path} was=0644`));
  });

  it('are not changed if they are no database', async () => {
    mkdirSync(dirname(path));
    writeFileSync(path, 'root:x:0:0');
    chmodSync(path, 0o644);
    await expect(openDatastore(`sqlite3://${path}`)).rejects.toThrow(
      'The database cannot be used: its file is not a database',
    );
    expect([mode(path), readFileSync(path, 'utf8')]).toEqual(['644', 'root:x:0:0']);
  });

  it('in a world-writable directory cause a warning', async () => {
    mkdirSync(dirname(path));
    chmodSync(dirname(path), 0o777);
    await start();
    expect(logged()).toContain('its directory is world-writable');
  });
});
