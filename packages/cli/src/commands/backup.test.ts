// takes: 7 s
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type ApiServer, apiSettings, newApiServer, restore } from '@fnfleet/api';
import { decodeFrames, encodeFrames, encodeQueuedRequest, readSettings, wallMs } from '@fnfleet/core';
import { ApiClient } from '../api-client.js';
import { runCommand } from '../test-kit/run-command.js';

let dir: string;
let url: string;
let server: ApiServer | undefined;

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'backup-'));
  url = `sqlite3://${path.join(dir, 'fn.db')}`;
});
afterEach(async () => {
  await stop();
  rmSync(dir, { recursive: true });
});

it('saves a running node and restores it while it runs: everything is as at the backup, with the same ids', async () => {
  const api = await start();
  const app = await api.createApp('shop');
  const fn = await api.createFn(app.id, { name: 'cart', image: 'cart:1' });
  expect(await run('backup', 'b.db')).toMatchObject({
    output: `saved 1 app, 1 function, 0 triggers to ${at('b.db')}\n`,
    code: 0,
  });
  await api.updateFn(fn.id, { image: 'cart:2' });
  await api.createApp('later');
  expect((await run('restore', 'b.db')).output).toMatch(
    /^restored 1 app, 1 function, 0 triggers\nthe replaced database is now .*fn\.db\.replaced-/,
  );
  // A read that notices the new file is still answered from the old one.
  while ((await api.getFn(fn.id))?.image !== 'cart:1') await new Promise((resolve) => setTimeout(resolve, 10));
  expect(await api.findApp('later')).toBeUndefined();
  await api.createApp('after');
  await stop();
  expect((await (await start()).listApps()).map(({ name }) => name)).toEqual(['after', 'shop']);
});

it('keeps the replaced database complete, so that a restore can be undone', async () => {
  await (await start()).createApp('before');
  await run('backup', 'b.db');
  await new ApiClient(server?.address.url ?? '').createApp('newer');
  const [, kept = ''] = /is now (.*)/.exec((await run('restore', 'b.db')).output) ?? [];
  await stop();
  expect((await runCommand('restore', kept, '--db', url)).code).toBe(0);
  expect((await (await start()).listApps()).map(({ name }) => name)).toEqual(['before', 'newer']);
});

it('restores to a host that has no database yet', async () => {
  await (await start()).createApp('shop');
  await run('backup', 'b.db');
  await stop();
  for (const name of readdirSync(dir).filter((file) => file.startsWith('fn.db'))) rmSync(at(name));
  expect(await run('restore', 'b.db')).toMatchObject({ output: 'restored 1 app, 0 functions, 0 triggers\n', code: 0 });
  expect((await (await start()).listApps()).map(({ name }) => name)).toEqual(['shop']);
});

it('writes files that only their owner can read, and leaves no drafts', async () => {
  await start();
  await run('backup', 'b.db');
  await run('restore', 'b.db');
  await stop();
  const modes = readdirSync(dir).map((name) => (statSync(at(name)).mode & 0o777).toString(8));
  expect(new Set(modes)).toEqual(new Set(['600']));
  expect(readdirSync(dir).filter((name) => /new|restoring/.test(name))).toEqual([]);
});

it('never overwrites a file with a backup', async () => {
  await start();
  writeFileSync(at('b.db'), 'mine');
  expect(await run('backup', 'b.db')).toMatchObject({ output: expect.stringContaining('exists already'), code: 1 });
  expect(statSync(at('b.db')).size).toBe(4);
});

it.each([
  ['that does not exist', () => rmSync(at('b.db')), /there is no database at .*b\.db/],
  [
    'that is no database',
    () => writeFileSync(at('b.db'), 'not a database, but longer than its header'.repeat(9)),
    /b\.db: .*not a database/,
  ],
  ['that was cut short', () => truncateSync(at('b.db'), 8192), /b\.db.*(malformed|damaged)/],
  ['of a later release', () => alter('update schema_migrations set version = 99'), /schema version 99/],
  ['that is empty', () => truncateSync(at('b.db'), 0), /is not the database of an API node/],
  ['of another program', () => alter('drop table apps'), /is not the database of an API node/],
])('changes nothing if it is to restore a file %s', async (_name, spoil, message) => {
  const api = await start();
  await api.createApp('shop');
  await run('backup', 'b.db');
  spoil();
  const before = statSync(at('fn.db')).ino;
  const { output, code } = await run('restore', 'b.db');
  expect(output).toMatch(message);
  expect(code).toBe(1);
  expect(statSync(at('fn.db')).ino).toBe(before);
  expect((await api.listApps()).length).toBe(1);
  expect(existsSync(at('fn.db.restoring'))).toBe(false);
});

it.each(['fn.db', 'fn.db-wal', 'fn.db-shm', 'fn.db-journal'])(
  'refuses to save the database as %s, which belongs to the database itself',
  async (name) => {
    await (await start()).createApp('shop');
    await stop();
    const before = readdirSync(dir);
    expect(await run('backup', name)).toMatchObject({ code: 1 });
    expect(readdirSync(dir)).toEqual(before);
  },
);

it('keeps a database whose name is that of a backup with an ending', async () => {
  await (await start()).createApp('shop');
  await stop();
  renameSync(at('fn.db'), at('b.db.new'));
  url = `sqlite3://${at('b.db.new')}`;
  expect(await run('backup', 'b.db')).toMatchObject({ output: expect.stringContaining('saved 1 app'), code: 0 });
  expect((await (await start()).listApps()).length).toBe(1);
});

it('keeps the file that it restores, also one that a killed restore has left', async () => {
  await (await start()).createApp('shop');
  await run('backup', 'fn.db.restoring');
  expect(await run('restore', 'fn.db.restoring')).toMatchObject({ code: 0 });
  expect(existsSync(at('fn.db.restoring'))).toBe(true);
});

it('refuses to restore a database whose last changes are in a log beside it', async () => {
  await (await start()).createApp('shop');
  for (const end of ['', '-wal']) copyFileSync(at(`fn.db${end}`), at(`crashed.db${end}`));
  expect(await run('restore', 'crashed.db')).toMatchObject({ output: expect.stringContaining('-wal'), code: 1 });
});

it('restores one of two backups completely when both are restored at once', async () => {
  const api = await start();
  for (const name of ['one', 'two']) {
    await api.createApp(name);
    await run('backup', `${name}.db`);
  }
  for (let round = 0; round < 5; round += 1) {
    const ran = await Promise.all(['one', 'two'].map((name) => restore(url, at(`${name}.db`))));
    expect(ran.map(({ kept }) => existsSync(kept ?? ''))).toEqual([true, true]);
  }
  await stop();
  expect([1, 2]).toContain((await (await start()).listApps()).length);
  expect(readdirSync(dir).filter((name) => name.includes('restoring'))).toEqual([]);
});

it('removes what killed runs have left, and nothing that is in use', async () => {
  await start();
  const left = ['fn.db.restoring-0123456789ab', 'fn.db.restoring-0123456789ab-wal', 'b.db.new-0123456789ab'];
  const others = ['fn.db.restoring-ba9876543210', 'fn.db.restoring-mine', 'other.db.new-0123456789ab'];
  for (const name of [...left, ...others]) writeFileSync(at(name), 'x');
  for (const name of [...left, 'fn.db.restoring-mine']) utimesSync(at(name), 0, 0);
  await run('backup', 'b.db');
  await run('restore', 'b.db');
  for (const name of left) expect([name, existsSync(at(name))]).toEqual([name, false]);
  for (const name of others) expect(readFileSync(at(name), 'utf8')).toBe('x');
});

it('names the right tool for a database that is not a file', async () => {
  expect(await runCommand('backup', at('b.db'), '--db', 'postgres://localhost/fn')).toMatchObject({
    output: expect.stringContaining('use pg_dump for Postgres'),
    code: 1,
  });
  expect(await runCommand('backup', at('b.db'), '--db', 'sqlite3://:memory:')).toMatchObject({ code: 1 });
});

async function start(): Promise<ApiClient> {
  const settings = readSettings(apiSettings, { FN_DB_URL: url });
  server = newApiServer({ settings, host: '127.0.0.1', port: 0 });
  await server.ready;
  return new ApiClient(server.address.url);
}

async function stop(): Promise<void> {
  await server?.close();
  server = undefined;
}

describe('asynchronous calls', () => {
  const head = encodeQueuedRequest({ method: 'POST', url: '/', headers: {}, triggerId: '', createdAt: wallMs(1_000) });

  async function post(target: string, body: Buffer | string): Promise<Buffer> {
    const response = await fetch(`${server?.address.url}${target}`, { method: 'POST', body: body as string });
    expect(response.status).toBe(200);
    return Buffer.from(await response.arrayBuffer());
  }

  async function accept(fnId: string, callId: string): Promise<void> {
    const said = JSON.stringify({ call_id: callId, fn_id: fnId, head });
    await post('/v2/runner/async/calls', encodeFrames([{ head: said, body: Buffer.from(callId) }]));
  }

  async function reserve(): Promise<{ call_id: string; token: string }[]> {
    const bytes = await post('/v2/runner/async/reserve', JSON.stringify({ holder: 'lb', limit: 1 }));
    return decodeFrames(bytes, 100).map((frame) => JSON.parse(frame.head));
  }

  /** One has ended, one runs, and one waits. */
  async function threeCalls(): Promise<string> {
    const api = await start();
    const fn = await api.createFn((await api.createApp('shop')).id, { name: 'cart', image: 'cart:1' });
    await accept(fn.id, 'ended');
    const [lease] = await reserve();
    await post(
      '/v2/runner/async/settle',
      encodeFrames([{ head: JSON.stringify({ ...lease, kind: 'complete' }), body: Buffer.alloc(0) }]),
    );
    await accept(fn.id, 'runs');
    await reserve();
    await accept(fn.id, 'waits');
    return fn.id;
  }

  const save = () => runCommand('backup', at('b.db'), '--db', url, '--api', server?.address.url ?? '');

  it('are saved while the node runs, and restored to another host: none runs again unless somebody wants that', async () => {
    const fnId = await threeCalls();
    expect(await save()).toMatchObject({
      output: `saved 1 app, 1 function, 0 triggers to ${at('b.db')}\nsaved 2 waiting calls, 0 dead letters, 1 ended call to ${at('b-mq.db')}\n`,
      code: 0,
    });
    await accept(fnId, 'later');
    expect((await reserve()).map(({ call_id }) => call_id)).toEqual(['waits']);
    await stop();
    expect(readdirSync(dir).filter((name) => /saving|new-/.test(name))).toEqual([]);
    expect(statSync(at('b-mq.db')).mode & 0o777).toBe(0o600);
    for (const name of readdirSync(dir).filter((file) => file.startsWith('fn'))) rmSync(at(name));

    expect((await run('restore', 'b.db')).output).toContain(
      'restored 0 waiting calls, 2 dead letters, 1 ended call; calls that had not ended are dead letters: fnfleet dead redrive runs them',
    );
    const api = await start();
    const told = async (id: string) => (await api.getCall(id))?.status;
    expect([await told('ended'), await told('runs'), await told('waits')]).toEqual(['success', 'error', 'error']);
    expect((await api.getCall('waits'))?.error).toBe('restored from a backup: it may have run after that was made');
    expect(await reserve()).toEqual([]);
    await post(`/v2/fns/${fnId}/dead/redrive`, '');
    expect((await reserve()).map(({ call_id }) => call_id)).toEqual(['runs']);
  });

  it('are saved when no node runs', async () => {
    await threeCalls();
    await stop();
    expect((await save()).output).toContain(`saved 2 waiting calls, 0 dead letters, 1 ended call to ${at('b-mq.db')}`);
  });

  it('of a queue that is there go on when a backup is restored', async () => {
    const fnId = await threeCalls();
    await save();
    await accept(fnId, 'later');
    expect((await run('restore', 'b.db')).output).toContain(
      'the queue of asynchronous calls was not replaced: its calls go on',
    );
    expect((await reserve()).map(({ call_id }) => call_id)).toEqual(['waits']);
    expect((await reserve()).map(({ call_id }) => call_id)).toEqual(['later']);
  });

  it('of another node are not saved in their place, and nothing is left', async () => {
    await threeCalls();
    const first = server;
    const settings = readSettings(apiSettings, { FN_DB_URL: url.replace('fn.db', 'other.db') });
    server = newApiServer({ settings, port: 0, host: '127.0.0.1' });
    await server.ready;
    await post('/v2/runner/async/reserve', JSON.stringify({ holder: 'lb' }));
    const answer = await save();
    expect(answer).toMatchObject({ output: expect.stringContaining('has another queue: name its own node'), code: 1 });
    expect(readdirSync(dir).filter((name) => name.startsWith('b'))).toEqual([]);
    await first?.drain({ graceMs: 0 });
  });
});

function run(command: string, file: string) {
  return runCommand(command, at(file), '--db', url);
}

function at(file: string): string {
  return path.join(dir, file);
}

function alter(sql: string): void {
  const database = new DatabaseSync(at('b.db'));
  database.exec(sql);
  database.close();
}
