import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { FakeClock } from '@fnfleet/core';
import { type Answer, err, TestApi } from '../test-api.js';

describe('triggers of type schedule', () => {
  let folder: string;
  let clock: FakeClock;
  let api: TestApi;
  let appId: string;
  let fnId: string;

  beforeEach(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'fnfleet-schedules-'));
    clock = new FakeClock(Date.UTC(2026, 0, 1));
    const env = { FN_MQ_URL: `sqlite3://${folder}/mq.db`, FN_SCHEDULES_MAX: '3' };
    api = await TestApi.start({ env, clock });
    appId = await api.app('shop');
    fnId = await api.fn(appId, 'f');
  });
  afterEach(async () => {
    await api.close();
    rmSync(folder, { recursive: true });
  });

  const create = (more: object = {}) =>
    api.post('/v2/triggers', {
      ...{ name: 'nightly', app_id: appId, fn_id: fnId, type: 'schedule', source: '0 3 * * *' },
      ...more,
    });
  const options = (value: unknown) => ({ annotations: { 'fnfleet/schedule': value } });

  it('show when they fire next, and no URL', async () => {
    const { status, body } = await create(options({ time_zone: 'America/New_York' }));
    expect(status).toBe(200);
    expect(body).toEqual({
      ...{ id: body.id, name: 'nightly', app_id: appId, fn_id: fnId, type: 'schedule', source: '0 3 * * *' },
      ...{ created_at: body.updated_at, updated_at: body.created_at, next_fire_at: '2026-01-01T08:00:00.000Z' },
      ...options({ time_zone: 'America/New_York' }),
    });
    expect((await api.get(`/v2/triggers/${body.id}`)).body).toEqual(body);
    const http = await api.trigger(appId, fnId, 'path', '/path');
    const { items } = (await api.get(`/v2/triggers?app_id=${appId}`)).body as { items: Record<string, unknown>[] };
    expect(items[0]).toEqual(body);
    expect(items[1]).toMatchObject({ id: http, type: 'http' });
    expect(items[1]).not.toHaveProperty('next_fire_at');
  });

  it.each`
    fault                                         | message
    ${{ source: '' }}                             | ${'Missing Trigger Source'}
    ${{ source: '/nightly' }}                     | ${/The cron expression is not valid: expected five fields/}
    ${{ source: '0 0 30 2 *' }}                   | ${/The cron expression is not valid: it never fires/}
    ${{ source: `* * * * ${'1,'.repeat(200)}1` }} | ${'The cron expression must be 256 bytes or less'}
    ${{ type: 'cron' }}                           | ${'Trigger Type Not Supported'}
    ${options({ time_zone: 'Mars/Olympus' })}     | ${/fnfleet\/schedule is not valid: time_zone \\"Mars\/Olympus\\" is unknown/}
    ${options('UTC')}                             | ${/fnfleet\/schedule is not valid: expected an object/}
  `('are refused with $fault', async ({ fault, message }) => {
    expect(await create(fault)).toMatchObject(err(400, message));
    expect((await create()).status).toBe(200);
  });

  it('may have the expression of another one, but not its name', async () => {
    await create();
    expect((await create({ name: 'also' })).status).toBe(200);
    expect(await create({ source: '@daily' })).toMatchObject(err(409, 'Trigger already exists'));
  });

  it('are no paths: a balancer does not find them', async () => {
    await create({ name: 'a', source: '@daily' });
    for (const source of ['/@daily', '@daily', '/0%203%20*%20*%20*']) {
      const found = await api.get(`/v2/runner/apps/${appId}/triggerBySource/http/${source}`);
      expect(found).toMatchObject(err(404, 'Trigger not found'));
    }
  });

  it('may be changed: what does not concern their instants leaves them as they are', async () => {
    const { body } = await create();
    const shown = async () => (await api.get(`/v2/triggers/${body.id}`)).body;
    const change = (more: object): Promise<Answer> => api.put(`/v2/triggers/${body.id}`, more);
    await clock.advance(2 * 3_600_000);
    await change({ name: 'nocturnal', annotations: { team: 'a' } });
    expect(await shown()).toMatchObject({ name: 'nocturnal', next_fire_at: '2026-01-01T03:00:00.000Z' });
    await change(options({ time_zone: 'Asia/Tokyo' }));
    expect(await shown()).toMatchObject({ next_fire_at: '2026-01-01T18:00:00.000Z' });
    await change(options({ paused: true }));
    expect(await shown()).not.toHaveProperty('next_fire_at');
    expect(await change({ source: '* * *' })).toMatchObject(err(400, /The cron expression is not valid/));
    expect((await change({ ...(await shown()), ...options('') })).status).toBe(200);
    expect(await shown()).toMatchObject({ next_fire_at: '2026-01-01T03:00:00.000Z' });
  });

  it('are limited in number; paths are not', async () => {
    for (const name of ['a', 'b', 'c']) expect((await create({ name })).status).toBe(200);
    expect(await create({ name: 'd' })).toMatchObject(err(409, 'The database already has 3 schedules'));
    await api.trigger(appId, fnId, 'path', '/path');
    const other = await api.fn(appId, 'other');
    expect(await create({ name: 'd', fn_id: other })).toMatchObject({ status: 409 });
    await api.delete(`/v2/fns/${fnId}`);
    expect((await create({ name: 'd', fn_id: other })).status).toBe(200);
  });

  it('of one app do not take the place of those of others', async () => {
    await api.close();
    api = await TestApi.start({ env: { FN_MQ_URL: `sqlite3://${folder}/mq.db`, FN_SCHEDULES_MAX: '20' }, clock });
    appId = await api.app('greedy');
    fnId = await api.fn(appId, 'f');
    for (let n = 0; n < 18; n += 1) expect((await create({ name: `s${n}` })).status).toBe(200);
    expect(await create({ name: 'more' })).toMatchObject(err(409, /The app has 18 of the 18 schedules/));
    const other = await api.app('modest');
    const modest = { app_id: other, fn_id: await api.fn(other, 'f') };
    expect((await create({ name: 'a', ...modest })).status).toBe(200);
    expect(await create({ name: 'more' })).toMatchObject(err(409, /The app has 18 of the 19 schedules/));
    expect((await create({ name: 'b', ...modest })).status).toBe(200);
    expect(await create({ name: 'c', ...modest })).toMatchObject(err(409, 'The database already has 20 schedules'));
  });

  it('are refused by a node without a queue, which could not fire them', async () => {
    const without = await TestApi.start({ env: { FN_DB_URL: 'sqlite3://:memory:' } });
    const shop = await without.app('shop');
    const fn = await without.fn(shop, 'f');
    const body = { name: 'nightly', app_id: shop, fn_id: fn, type: 'schedule', source: '@daily' };
    const says = 'Schedules are not supported on this server: it has no queue of asynchronous calls';
    expect(await without.post('/v2/triggers', body)).toMatchObject(err(400, says));
    await without.close();
  });
});
