// needs: postgres
// takes: 25 s
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { createLogger, readSettings } from '@fnfleet/core';
import { eventually, PostgresServer, TestCertificates } from '@fnfleet/testing';
import { newApiServer } from '../../api-server.js';
import { apiSettings } from '../../settings.js';
import { TestApi } from '../../test-kit/test-api.js';
import { openDatastore, probeDatabaseServer } from '../open-datastore.js';

const MAY_MOUNT = process.platform === 'linux' && process.getuid?.() === 0;
const PASSWORD = /pass.word/;

let server: PostgresServer;
let database: string;
let node: TestApi | undefined;
let log: PassThrough;

beforeAll(async () => {
  server = await PostgresServer.start({ settings: { max_connections: '20', superuser_reserved_connections: '3' } });
});
afterAll(() => server.close());

beforeEach(async () => {
  log = new PassThrough();
  database = await server.createDatabase();
});
afterEach(async () => {
  await node?.close();
  node = undefined;
  expect(logged()).not.toMatch(PASSWORD);
});

let lines = '';
beforeEach(() => {
  lines = '';
});
const logged = () => {
  lines += log.read() ?? '';
  return lines;
};
const logger = () => createLogger({ level: 'debug', format: 'text', stream: log });

async function start(env: Record<string, string> = {}): Promise<TestApi> {
  const settings = { FN_DB_URL: server.url(database), FN_DB_TIMEOUT_MSECS: '3000', ...env };
  node = await TestApi.start({ env: settings, logger: logger() });
  return node;
}

interface Fault {
  readonly what: string;
  /** @returns what mends it */
  readonly happens: () => Promise<() => unknown>;
  readonly says: RegExp;
  /** In the log. */
  readonly remedy: RegExp;
  /** Whether lookups go on. */
  readonly reads: boolean;
}

const FAULTS: readonly Fault[] = [
  {
    what: 'its server has stopped',
    happens: async () => {
      await server.stop();
      return () => server.restart();
    },
    says: /^The database cannot be used: its server cannot be reached$/,
    remedy: /FN_DB_URL: postgres:\/\/fnfleet@127\.0\.0\.1:\d+\/test_\d+: .*check that it runs/,
    reads: false,
  },
  {
    what: 'its server does not answer',
    happens: async () => {
      server.freeze();
      return () => server.thaw();
    },
    says: /^The database did not answer in time: the change may or may not take effect$|cannot be reached$/,
    remedy: /database/,
    reads: false,
  },
  {
    what: 'it is read-only',
    happens: async () => {
      const set = (value: string) =>
        server.query(
          'postgres',
          `alter system set default_transaction_read_only = ${value}`,
          'select pg_reload_conf()',
        );
      await set('on');
      await eventually(async () => {
        const [row] = await server.query(database, 'show default_transaction_read_only');
        if (row?.default_transaction_read_only !== 'on') throw new Error('not yet');
      });
      return async () => {
        await server.query(
          'postgres',
          'set default_transaction_read_only = off',
          'alter system reset default_transaction_read_only',
        );
        await server.restart();
      };
    },
    says: /^The database cannot be used: it is read-only$/,
    remedy: /connect to the primary server/,
    reads: true,
  },
  {
    what: 'another session has it locked',
    happens: async () => {
      const other = await server.session(database);
      await other.query('begin');
      await other.query('lock table apps in share mode');
      return () => other.end();
    },
    says: /^The database is locked by another process, and nothing was changed: try again later$/,
    remedy: /another session has it locked/,
    reads: true,
  },
  {
    what: 'its tables are gone',
    happens: async () => {
      await server.query(database, 'alter table apps rename to elsewhere');
      return () => server.query(database, 'alter table elsewhere rename to apps');
    },
    says: /^The database cannot be used: its tables are missing or were changed$/,
    remedy: /restore a backup/,
    reads: false,
  },
  {
    what: 'its user may not write',
    happens: async () => {
      await server.query(
        database,
        'create function refuse() returns trigger as $$ begin raise insufficient_privilege; end $$ language plpgsql',
        'create trigger refuse before insert on apps execute function refuse()',
      );
      return () => server.query(database, 'drop trigger refuse on apps');
    },
    says: /^The database cannot be used: its user lacks permissions$/,
    remedy: /owner of the database/,
    reads: true,
  },
];

describe('a Postgres database in use', () => {
  it.each(FAULTS)('when $what, acknowledges only what is stored, and works again afterwards', async (fault) => {
    const api = await start();
    const before = await api.app('before');
    const mend = await fault.happens();
    try {
      const refused = await api.post('/v2/apps', { name: 'x' });
      expect([refused.status, refused.body.message]).toEqual([503, expect.stringMatching(fault.says)]);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
      expect((await api.get('/healthz')).status).toBe(200);
      expect((await api.get(`/v2/apps/${before}`)).status).toBe(fault.reads ? 200 : 503);
      expect(logged()).toMatch(fault.remedy);
    } finally {
      await mend();
    }
    const after = await eventually(() => api.app('after'));
    for (const id of [before, after]) expect((await api.get(`/v2/apps/${id}`)).status).toBe(200);
    const { body } = await api.get('/v2/apps');
    const names = (body.items as { name: string }[]).map(({ name }) => name);
    // What was not acknowledged may have happened.
    expect(names.filter((name) => name !== 'x')).toEqual(['after', 'before']);
  });

  it('serves the next requests when all its connections were cut', async () => {
    const api = await start();
    const id = await api.app('before');
    await Promise.all(Array.from({ length: 8 }, () => api.get(`/v2/apps/${id}`)));
    const cut = () =>
      server.query('postgres', `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${database}'`);
    for (const name of ['a', 'b', 'c']) {
      await cut();
      const [changed, found] = await Promise.all([api.post('/v2/apps', { name }), api.get(`/v2/apps/${id}`)]);
      expect([changed.status, found.status]).toEqual([200, 200]);
    }
  });

  it('when its server has no room for connections, answers 503 until it has', async () => {
    const api = await start();
    const id = await api.app('before');
    const operator = await server.session('postgres');
    const others = [operator];
    const takeAllRoom = async () => {
      try {
        for (;;) others.push(await server.session('postgres'));
      } catch (error) {
        expect((error as { code?: string }).code).toBe('53300');
      }
    };
    try {
      // Sessions of other tests that are ending leave room when they have ended.
      await eventually(async () => {
        await operator.query(
          `select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = '${database}'`,
        );
        await takeAllRoom();
        const refused = await api.get(`/v2/apps/${id}`);
        expect([refused.status, refused.body.message]).toEqual([
          503,
          'The database cannot be used: its server has too many connections',
        ]);
      });
      expect(logged()).toMatch(/lower FN_DB_MAX_CONNECTIONS/);
    } finally {
      await Promise.all(others.map((other) => other.end()));
    }
    expect(await eventually(async () => (await api.get(`/v2/apps/${id}`)).status)).toBe(200);
  });

  it('when its disk is full, answers 503, and 200 when there is space again', async () => {
    if (!MAY_MOUNT) return;
    const disk = mkdtempSync(join(tmpdir(), 'fnfleet-pgdisk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m,uid=65534,gid=65534', 'tmpfs', disk]);
    const small = await PostgresServer.start();
    try {
      const api = await start({ FN_DB_URL: small.url('postgres') });
      await api.app('before');
      await small.query('postgres', `create tablespace small location '${disk}'`);
      await small.query('postgres', 'alter table apps set tablespace small');
      const filler = join(disk, 'filler');
      try {
        for (;;) writeFileSync(filler, 'x'.repeat(4096), { flag: 'a' });
      } catch {
        // It is full.
      }
      const answers = [];
      for (let i = 0; i < 5; i += 1) {
        const config = { K: randomBytes(4_000).toString('hex') };
        answers.push(await api.post('/v2/apps', { name: `x${i}`, config }));
      }
      expect(answers.at(-1)).toMatchObject({
        status: 503,
        body: { message: 'The database cannot be used: its disk is full' },
      });
      expect(logged()).toMatch(/free space on the disk of the server/);
      rmSync(filler);
      await api.app('after');
      const acknowledged = answers.filter(({ status }) => status === 200).length;
      expect((await api.get('/v2/apps')).body.items).toHaveLength(acknowledged + 2);
    } finally {
      await small.close();
      execFileSync('umount', ['-l', disk]);
      rmSync(disk, { recursive: true });
    }
  });

  it('lets a limited number of requests wait for a connection, and of changes for their turn', async () => {
    const api = await start({ FN_DB_TIMEOUT_MSECS: '20000', FN_DB_MAX_WAITING: '3', FN_DB_MAX_CONNECTIONS: '2' });
    const other = await server.session(database);
    await other.query('begin');
    await other.query('lock table apps in share mode');
    // One has its turn and three wait.
    const changes = ['a', 'b', 'c', 'd', 'e'].map((name) => api.post('/v2/apps', { name }));
    const refused = await Promise.race(changes);
    expect([refused.status, refused.body.message]).toEqual([
      503,
      'Too many requests are waiting for the database: try again later',
    ]);
    // Changes that wait leave a connection to lookups.
    expect((await api.get('/v2/apps')).status).toBe(200);
    await other.query('rollback');
    await other.end();
    expect((await Promise.all(changes)).map(({ status }) => status).sort()).toEqual([200, 200, 200, 200, 503]);

    const blocker = await server.session(database);
    await blocker.query('begin');
    await blocker.query('lock table apps in access exclusive mode');
    const lookups = Array.from({ length: 9 }, () => api.get('/v2/apps'));
    const first = await Promise.race(lookups);
    expect([first.status, first.body.message]).toEqual([
      503,
      'Too many requests are waiting for the database: try again later',
    ]);
    await blocker.end();
    const found = (await Promise.all(lookups)).filter(({ status }) => status === 200);
    // Two have a connection and three wait.
    expect(found.length).toBeGreaterThanOrEqual(5);
  });
});

describe('transactions that conflict with others', () => {
  /** Fails as often as the sequence allows: it goes on counting when a transaction is rolled back. */
  const conflicts = (times: number) =>
    server.query(
      database,
      'create sequence conflicts',
      `create function conflict() returns trigger as $$ begin
         if nextval('conflicts') <= ${times} then raise serialization_failure; end if;
         return new;
       end $$ language plpgsql`,
      'create trigger conflict before insert on apps for each row execute function conflict()',
    );

  it('are repeated', async () => {
    const api = await start();
    await conflicts(3);
    await api.app('a');
    expect((await server.query(database, 'select last_value from conflicts'))[0]).toEqual({ last_value: '4' });
  });

  it('are refused with 503 if they conflict again and again', async () => {
    const api = await start();
    await conflicts(100);
    expect(await api.post('/v2/apps', { name: 'a' })).toMatchObject({
      status: 503,
      body: { message: 'The database is locked by another process, and nothing was changed: try again later' },
    });
    expect((await server.query(database, 'select last_value from conflicts'))[0]).toEqual({ last_value: '4' });
  });
});

describe('a Postgres database that cannot be used keeps a node from starting', () => {
  const opened = (url: string, startTimeoutMs = 0) =>
    openDatastore(url, { timeoutMs: 5_000, startTimeoutMs, logger: logger() }).then(
      (store) => store.close().then(() => 'opened'),
      (error: Error) => `${error.message} ${(error.cause as Error | undefined)?.message}`,
    );

  it.each`
    what                           | url                                                              | says
    ${'its password is wrong'}     | ${() => server.url(database, { password: 'not the pass-word' })} | ${/its server refuses the login FN_DB_URL: postgres:.*check user and password in the URL/}
    ${'its user does not exist'}   | ${() => server.url(database, { user: 'nobody' })}                | ${/its server refuses the login FN_DB_URL: .*check user and password/}
    ${'it does not exist'}         | ${() => server.url('nowhere')}                                   | ${/it does not exist FN_DB_URL: .*createdb/}
    ${'its server has no TLS'}     | ${() => server.url(database, { query: '?sslmode=require' })}     | ${/TLS with its server failed FN_DB_URL: .*add sslmode=disable/}
    ${'its host does not exist'}   | ${() => server.url(database).replace('127.0.0.1', 'db.invalid')} | ${/its server cannot be reached FN_DB_URL: .*check that it runs/}
    ${'nothing listens there'}     | ${() => server.url(database).replace(`:${server.port}/`, ':1/')} | ${/its server cannot be reached FN_DB_URL: .*check that it runs/}
    ${'the socket does not exist'} | ${() => `postgres://u@/${database}?host=/nowhere`}               | ${/its server cannot be reached FN_DB_URL: /}
  `('when $what: the error names the database and the remedy, and no password', async ({ url, says }) => {
    const text = await opened(url());
    expect(text).toMatch(says);
    expect(text).not.toMatch(/pass.word/);
  });

  it('when its schema is newer, or a migration did not complete', async () => {
    const url = server.url(database);
    expect(await opened(url)).toBe('opened');
    await server.query(database, 'update schema_migrations set version = 27');
    expect(await opened(url)).toMatch(
      /FN_DB_URL: postgres:\/\/fnfleet@.*: the database has schema version 27 in schema_migrations; known: 22 to 26: install/,
    );
    await server.query(database, 'update schema_migrations set version = 26, dirty = true');
    expect(await opened(url)).toMatch(/a migration of the database to version 26 did not complete: restore a backup/);
    await server.query(database, 'update schema_migrations set dirty = false', 'update fnfleet_schema set version = 9');
    expect(await opened(url)).toMatch(/schema version 9 in fnfleet_schema; known: 0 to 2/);
  });

  it('when its user may not create tables', async () => {
    await server.query(
      database,
      "create role guest login password 'pass/word'",
      'revoke create on schema public from public',
    );
    expect(await opened(server.url(database, { user: 'guest', password: 'pass/word' }))).toMatch(
      /its user lacks permissions FN_DB_URL: .*make the user the owner/,
    );
  });

  it('but a node waits for a server that is away, and says so', async () => {
    await server.stop();
    const starting = opened(server.url(database), 60_000);
    await eventually(() =>
      expect(logged()).toMatch(/WARN .*the database is not available, trying again .*retryInMs=250/),
    );
    await server.restart();
    expect(await starting).toBe('opened');
  });

  it('but a node that is told to end while it waits ends', async () => {
    await server.stop();
    try {
      const env = { FN_DB_URL: server.url(database), FN_DB_START_TIMEOUT_MSECS: '600000' };
      const settings = readSettings(apiSettings, env);
      const starting = newApiServer({ settings, host: '127.0.0.1', port: 0, logger: logger() });
      const outcome = expect(starting.ready).rejects.toThrow('its server cannot be reached');
      await eventually(() => expect(logged()).toMatch(/trying again/));
      await starting.close();
      await outcome;
    } finally {
      await server.restart();
    }
  });
});

it('a node starts on a hot standby, finds everything and changes nothing', async () => {
  const api = await start();
  const id = await api.app('a');
  const standby = await server.standby();
  try {
    const env = { FN_DB_URL: standby.url(database) };
    const reader = await TestApi.start({ env, logger: logger() });
    expect((await reader.get(`/v2/apps/${id}`)).status).toBe(200);
    expect(await reader.post('/v2/apps', { name: 'b' })).toMatchObject({
      status: 503,
      body: { message: 'The database cannot be used: it is read-only' },
    });
    await reader.close();
  } finally {
    await standby.close();
  }
});

describe('TLS to a Postgres server', () => {
  let certificates: TestCertificates;
  let secure: PostgresServer;
  let named: PostgresServer;

  beforeAll(async () => {
    certificates = new TestCertificates();
    secure = await PostgresServer.start({ tls: certificates.files('db') });
    named = await PostgresServer.start({ tls: certificates.files('elsewhere', ['db.example']) });
  });
  afterAll(async () => {
    await secure.close();
    await named.close();
    certificates.remove();
  });

  it.each`
    mode             | ca       | certificate            | outcome
    ${'disable'}     | ${false} | ${'of the server'}     | ${'connected without TLS'}
    ${'require'}     | ${false} | ${'of the server'}     | ${'connected with TLS'}
    ${'verify-full'} | ${true}  | ${'of the server'}     | ${'connected with TLS'}
    ${'verify-full'} | ${false} | ${'of the server'}     | ${'refused'}
    ${'verify-full'} | ${true}  | ${'with another name'} | ${'refused'}
    ${'verify-ca'}   | ${true}  | ${'with another name'} | ${'connected with TLS'}
    ${'require'}     | ${true}  | ${'with another name'} | ${'connected with TLS'}
  `(
    'sslmode=$mode, sslrootcert: $ca, certificate $certificate: $outcome',
    async ({ mode, ca, certificate, outcome }) => {
      const target = certificate === 'of the server' ? secure : named;
      const query = `?sslmode=${mode}${ca ? `&sslrootcert=${certificates.files('any').ca}` : ''}`;
      const url = target.url('postgres', { query });
      const probed = await probeDatabaseServer(url, 5_000).catch((error: Error) => error);
      if (outcome === 'refused') {
        expect(String(probed)).toContain('The database cannot be used: TLS with its server failed');
        expect(String((probed as Error).cause)).toMatch(/certificate.*check sslmode and sslrootcert/);
        return;
      }
      expect(probed).toMatchObject({ readOnly: false, version: expect.stringMatching(/^\d+/) });
      const store = await openDatastore(url);
      const [session] = await target.query(
        'postgres',
        "select ssl from pg_stat_ssl join pg_stat_activity using (pid) where application_name = 'fnfleet' order by backend_start desc",
      );
      expect(session?.ssl).toBe(outcome === 'connected with TLS');
      await store.close();
    },
  );
});
