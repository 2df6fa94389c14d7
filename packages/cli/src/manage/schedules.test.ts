// takes: 5 s
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type ApiServer, apiSettings, newApiServer } from '@fnfleet/api';
import { FakeClock, readSettings } from '@fnfleet/core';
import { ApiClient } from '../api-client.js';
import { deploy } from '../deploy/deploy.js';
import { readFuncFile } from '../func-file/read-func-file.js';
import { runCommand } from '../test-kit/run-command.js';

let folder: string;
let clock: FakeClock;
let server: ApiServer;
let api: ApiClient;

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'cli-schedules-'));
  clock = new FakeClock(Date.UTC(2026, 0, 1));
  const env = {
    FN_DB_URL: 'sqlite3://:memory:',
    FN_MQ_URL: `sqlite3://${folder}/mq.db`,
    FN_PUBLIC_LB_URL: 'http://lb',
  };
  server = newApiServer({ settings: readSettings(apiSettings, env), host: '127.0.0.1', port: 0, clock });
  await server.ready;
  api = new ApiClient(server.address.url);
  await deploy(api, 'shop', { spec: { name: 'cart', image: 'cart:1' }, triggers: [] });
});
afterEach(async () => {
  process.exitCode = undefined;
  await server.close();
  rmSync(folder, { recursive: true });
});

const run = (...args: string[]) => runCommand(...args, '--api', server.address.url);

async function lines(...args: string[]): Promise<string[]> {
  const { stdout, output, code } = await run(...args);
  expect([code, output]).toEqual([0, stdout]);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/ +/g, ' ').replace(/ \w{26}$/, ''));
}

async function found(name: string) {
  const app = await api.findApp('shop');
  return (await api.listTriggers(app?.id ?? '')).find((trigger) => trigger.name === name);
}

describe('fnfleet create trigger --schedule', () => {
  const create = (...more: string[]) => ['create', 'trigger', 'shop', 'cart', 'nightly', ...more];

  it('creates a schedule, and lists show when it fires next', async () => {
    const times = ['--schedule', '0 3 * * *', '--time-zone', 'America/New_York', '--catch-up', 'one'];
    expect(await lines(...create(...times, '--body', '{"a":1}', '--annotation', 'team=x'))).toEqual([
      'created trigger nightly',
      'it fires next at 2026-01-01T08:00:00Z',
    ]);
    expect(await found('nightly')).toMatchObject({
      type: 'schedule',
      source: '0 3 * * *',
      annotations: {
        'fnfleet/schedule': { time_zone: 'America/New_York', catch_up: 'one', body: { a: 1 } },
        team: 'x',
      },
    });
    await run('create', 'trigger', 'shop', 'cart', 'buy', '--source', '/buy');
    expect(await lines('list', 'triggers', 'shop')).toEqual([
      'FUNCTION NAME SOURCE CALLED AT ID',
      'cart buy /buy http://lb/t/shop/buy',
      'cart nightly 0 3 * * * next 2026-01-01T08:00:00Z',
    ]);
    expect(await lines('inspect', 'trigger', 'shop', 'cart', 'nightly')).toEqual(
      expect.arrayContaining(['type: schedule', 'source: 0 3 * * *', 'next_fire_at: 2026-01-01T08:00:00.000Z']),
    );
  });

  it.each`
    given                                                    | says
    ${[]}                                                    | ${/expected either --source, for a path, or --schedule/}
    ${['--source', '/a', '--schedule', '@daily']}            | ${/expected either --source/}
    ${['--source', '/a', '--time-zone', 'UTC']}              | ${/a path has no times/}
    ${['--schedule', '0 25 * * *']}                          | ${/400 The cron expression is not valid: .*hour/}
    ${['--schedule', '@daily', '--time-zone', 'Mars/North']} | ${/400 annotation fnfleet\/schedule is not valid: time_zone "Mars\/North" is unknown/}
  `('with $given changes nothing', async ({ given, says }) => {
    const { code, output } = await run(...create(...given));
    expect([code === 0, output]).toEqual([false, expect.stringMatching(says)]);
    expect(await found('nightly')).toBeUndefined();
  });

  it('and update changes times and options that are given, and keeps the others', async () => {
    await run(...create('--schedule', '0 3 * * *', '--time-zone', 'Asia/Tokyo', '--body', 'x'));
    const update = (...more: string[]) => lines('update', 'trigger', 'shop', 'cart', 'nightly', ...more);
    await update('--schedule', '0 4 * * *', '--catch-up', 'all');
    expect(await found('nightly')).toMatchObject({
      source: '0 4 * * *',
      annotations: { 'fnfleet/schedule': { time_zone: 'Asia/Tokyo', body: 'x', catch_up: 'all' } },
      next_fire_at: '2026-01-01T19:00:00.000Z',
    });
    await update('--pause');
    expect((await lines('list', 'triggers', 'shop'))[1]).toBe('cart nightly 0 4 * * * paused');
    await update('--resume', '--time-zone', 'UTC');
    expect(await found('nightly')).toMatchObject({
      annotations: { 'fnfleet/schedule': { time_zone: 'UTC', body: 'x', catch_up: 'all' } },
      next_fire_at: '2026-01-01T04:00:00.000Z',
    });
    const { code, output } = await run('update', 'trigger', 'shop', 'cart', 'nightly', '--source', '/a');
    expect([code, output]).toEqual([1, expect.stringContaining('trigger nightly is a schedule: use --schedule')]);
  });
});

describe('a func.yaml with schedules', () => {
  const put = (triggers: string, options = {}) => {
    writeFileSync(path.join(folder, 'func.yaml'), `name: cart\nimage: cart:1\ntriggers:\n${triggers}`);
    const { spec, triggers: wanted } = readFuncFile(folder);
    return deploy(api, 'shop', { spec, triggers: wanted }, options);
  };
  const nightly = '- {name: nightly, type: schedule, source: "0 3 * * *", schedule: {catch_up: one}}\n';

  it('creates them, changes what has changed, and removes what is gone', async () => {
    await put(`${nightly}- {name: other, type: schedule, source: "0 3 * * *"}\n- {name: buy, source: /buy}\n`);
    const first = await found('nightly');
    expect(first).toMatchObject({ type: 'schedule', annotations: { 'fnfleet/schedule': { catch_up: 'one' } } });
    await put(`${nightly}- {name: other, type: schedule, source: "0 4 * * *"}\n`, { prune: true });
    expect(await found('nightly')).toEqual(first);
    expect(await found('other')).toMatchObject({ source: '0 4 * * *' });
    expect(await found('buy')).toBeUndefined();
    await put('- {name: nightly, type: schedule, source: "0 3 * * *"}\n');
    expect((await found('nightly'))?.annotations).toEqual({ 'fnfleet/deployed': true });
  });

  it.each`
    what                                 | triggers                                                                | says
    ${'an expression that is not valid'} | ${'- {name: a, type: schedule, source: "every day"}'}                   | ${/trigger a: The cron expression is not valid/}
    ${'options that are not valid'}      | ${'- {name: a, type: schedule, source: "@daily", schedule: {tz: UTC}}'} | ${/trigger a: annotation fnfleet\/schedule is not valid: "tz" is unknown/}
    ${'no expression'}                   | ${'- {name: a, type: schedule}'}                                        | ${/func.yaml:4: .*expected a source, a cron expression/}
    ${'the type of another trigger'}     | ${'- {name: nightly, source: /nightly}'}                                | ${/trigger nightly has the type schedule, which never changes/}
  `('with $what changes nothing', async ({ triggers, says }) => {
    await put(nightly);
    const before = await found('nightly');
    await expect((async () => put(`${triggers}\n`))()).rejects.toThrow(says);
    expect([await found('nightly'), await found('a')]).toEqual([before, undefined]);
  });
});

describe('fnfleet export and apply', () => {
  it('keep schedules, change them, and create anew those whose type changes', async () => {
    const times = ['--schedule', '0 3 * * *', '--catch-up', 'one'];
    for (const name of ['nightly', 'also']) await run('create', 'trigger', 'shop', 'cart', name, ...times);
    const fleet = path.join(folder, 'fleet');
    await run('export', fleet);
    const file = path.join(fleet, 'shop/functions/cart.yaml');
    const exported = readFileSync(file, 'utf8');
    expect(exported).toContain('  - name: nightly\n    type: schedule\n    source: 0 3 * * *\n');
    expect(await lines('apply', fleet)).toEqual(['0 changes made']);

    const { id } = (await found('nightly')) ?? {};
    writeFileSync(file, exported.replace('source: 0 3 * * *', 'source: 0 4 * * *').replaceAll('one', 'all'));
    expect(await lines('apply', fleet)).toEqual([
      '~ trigger shop/cart/also',
      ' source: "0 3 * * *" -> "0 4 * * *"',
      ' annotations.fnfleet/schedule: {"catch_up":"one"} -> {"catch_up":"all"}',
      '~ trigger shop/cart/nightly',
      ' annotations.fnfleet/schedule: {"catch_up":"one"} -> {"catch_up":"all"}',
      '2 changes made',
    ]);
    const triggers = 'triggers:\n  - {name: also, source: /a}\n  - {name: nightly, type: schedule, source: "@daily"}\n';
    writeFileSync(file, exported.replace(/triggers:.*/s, triggers));
    expect(await lines('apply', fleet)).toEqual([
      '- trigger shop/cart/also, to be created again: its type is http now',
      '~ trigger shop/cart/nightly',
      ' source: "0 3 * * *" -> "@daily"',
      ' annotations.fnfleet/schedule: removed',
      '+ trigger shop/cart/also (/a)',
      '3 changes made',
    ]);
    expect(await found('nightly')).toMatchObject({ id, source: '@daily' });
    expect(await found('also')).toMatchObject({ type: 'http', source: '/a' });
    expect(await lines('apply', fleet)).toEqual(['0 changes made']);
  });
});
