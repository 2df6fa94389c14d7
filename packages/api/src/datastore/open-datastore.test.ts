import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { wallMs } from '@fnfleet/core';
import { newApp, newFn, newTrigger } from '@fnfleet/core/resources';
import { openDatastore } from './open-datastore.js';

describe('a datastore in a file', () => {
  let directory: string;
  let path: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'fnfleet-store-'));
    path = join(directory, 'data', 'fn.db');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const edit = (statements: string) => {
    const database = new DatabaseSync(path);
    database.exec(statements);
    database.close();
  };

  it('is created with its directory, which others cannot read, and persists data', async () => {
    const first = await openDatastore(`sqlite3://${path}`);
    const app = await first.apps.insert(newApp({ name: 'a', config: { K: 'v' } }, 'id1', wallMs(1000)));
    await first.close();
    await first.close();
    expect(statSync(join(directory, 'data')).mode & 0o777).toBe(0o700);

    const second = await openDatastore(`sqlite3://${path}`);
    expect(await second.apps.get('id1')).toEqual(app);
    await second.close();
  });

  it('is recognised by its schema version', async () => {
    await (await openDatastore(`sqlite3://${path}`)).close();
    const database = new DatabaseSync(path);
    const rows = database.prepare('select version, dirty from schema_migrations').all();
    const journal = database.prepare('pragma journal_mode').get();
    database.close();
    expect(rows.map((row) => ({ ...row }))).toEqual([{ version: 26, dirty: 0 }]);
    expect(journal?.journal_mode).toBe('wal');
  });

  it('is refused if a migration did not complete, or is of a newer release', async () => {
    await (await openDatastore(`sqlite3://${path}`)).close();
    edit('update schema_migrations set dirty = 1');
    await expect(openDatastore(`sqlite3://${path}`)).rejects.toThrow(
      `FN_DB_URL: sqlite3://${path}: a migration of the database to version 26 did not complete`,
    );
    edit('update schema_migrations set dirty = 0, version = 27');
    await expect(openDatastore(`sqlite3://${path}`)).rejects.toThrow(
      'schema version 27 in schema_migrations; known: 22 to 26: install the release that migrated it, or a newer one',
    );
    edit('update schema_migrations set version = 26; update fnfleet_schema set version = 9');
    await expect(openDatastore(`sqlite3://${path}`)).rejects.toThrow('schema version 9 in fnfleet_schema; known: 0 to');
    edit('update fnfleet_schema set version = 1; update schema_migrations set version = 21');
    await expect(openDatastore(`sqlite3://${path}`)).rejects.toThrow('start Fn 0.3.657 or newer on it once');
  });

  it('of an earlier release of Fn is migrated', async () => {
    await (await openDatastore(`sqlite3://${path}`)).close();
    edit(`
      alter table apps drop column shape;
      alter table fns drop column shape;
      create table calls (id varchar(256));
      create table logs (id varchar(256));
      insert into apps values ('a1', 'old', '{"A":"1"}', '', null, '2019-01-24T10:00:00.123Z', '2019-01-24T10:00:00.123Z');
      insert into fns values ('f1', 'fn', 'a1', 'img', 128, 30, 30, '', '', '2019-01-24T11:00:00.123+01:00', '');
      drop index fnfleet_apps_name;
      drop index fnfleet_fns_name;
      drop index fnfleet_triggers_name;
      drop index fnfleet_triggers_source;
      drop index fnfleet_triggers_fn;
      drop table fnfleet_changes;
      drop table fnfleet_schedules;
      drop table fnfleet_scheduler;
      drop table fnfleet_schema;
      update schema_migrations set version = 22;
    `);

    const store = await openDatastore(`sqlite3://${path}`);
    expect(await store.apps.get('a1')).toMatchObject({ name: 'old', config: { A: '1' }, shape: '', syslogUrl: '' });
    expect(await store.fns.get('f1')).toMatchObject({
      config: {},
      shape: '',
      createdAt: Date.UTC(2019, 0, 24, 10, 0, 0, 123),
      updatedAt: undefined,
    });
    await store.close();
    await (await openDatastore(`sqlite3://${path}`)).close();
  });

  it('of a release without schedules is migrated, and keeps its changes', async () => {
    const before = await openDatastore(`sqlite3://${path}`);
    await before.apps.insert(newApp({ name: 'a' }, 'a1', wallMs(1)));
    const position = await before.changes.latest();
    await before.close();
    edit('drop table fnfleet_schedules; drop table fnfleet_scheduler; update fnfleet_schema set version = 1');
    const store = await openDatastore(`sqlite3://${path}`);
    expect(await store.changes.after(position, 10)).toEqual([]);
    expect([await store.schedules.earliest(), await store.schedules.leader()]).toEqual([undefined, undefined]);
    await store.close();
  });

  it('serves two processes at once', async () => {
    const one = await openDatastore(`sqlite3://${path}`);
    const other = await openDatastore(`sqlite3://${path}`);
    await one.apps.insert(newApp({ name: 'a' }, 'a1', wallMs(1)));
    await other.fns.insert(newFn({ name: 'f', appId: 'a1', image: 'i' }, 'f1', wallMs(1)));
    const trigger = newTrigger({ name: 't', appId: 'a1', fnId: 'f1', type: 'http', source: '/' }, 't1', wallMs(1));
    await one.triggers.insert(trigger);
    expect(await other.triggers.bySource('a1', 'http', '/')).toEqual(trigger);
    await expect(other.apps.insert(newApp({ name: 'a' }, 'a2', wallMs(1)))).rejects.toMatchObject({
      code: 'appExists',
    });
    await one.close();
    await other.close();
  });

  it('applies changes one after the other', async () => {
    const store = await openDatastore('sqlite3://:memory:');
    await store.apps.insert(newApp({ name: 'a' }, 'a1', wallMs(1)));
    const names = ['A', 'B', 'C', 'D', 'E'];
    await Promise.all(
      names.map((key) => store.apps.update('a1', (app) => ({ ...app, config: { ...app.config, [key]: '1' } }))),
    );
    expect(Object.keys((await store.apps.get('a1')).config)).toEqual(names);
    await store.close();
  });
});
