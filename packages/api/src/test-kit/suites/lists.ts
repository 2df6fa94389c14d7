import { err, TestApi } from '../test-api.js';

describe('lists', () => {
  let api: TestApi;

  beforeEach(async () => {
    api = await TestApi.start();
  });
  afterEach(() => api.close());

  async function page(path: string): Promise<{ names: unknown[]; next: unknown }> {
    const { status, body } = await api.get(path);
    expect(status).toBe(200);
    return { names: (body.items as { name: unknown }[]).map((item) => item.name), next: body.next_cursor };
  }

  it('http-api 37: cursors lead through a list, the last one possibly to an empty page', async () => {
    for (const name of ['c', 'a', 'b']) await api.app(name);

    expect(await page('/v2/apps?per_page=1')).toEqual({ names: ['a'], next: 'YQ' });
    expect(await page('/v2/apps?per_page=1&cursor=YQ')).toEqual({ names: ['b'], next: 'Yg' });
    expect(await page('/v2/apps?per_page=1&cursor=Yg')).toEqual({ names: ['c'], next: 'Yw' });
    expect((await api.get('/v2/apps?per_page=1&cursor=Yw')).text).toBe('{"items":[]}');
    expect(await page('/v2/apps?per_page=2&cursor=Yg')).toEqual({ names: ['c'], next: undefined });
  });

  it('http-api 38: a page has 30 items by default, and at most 100', async () => {
    for (let i = 0; i < 101; i += 1) await api.app(`app-${i}`);
    for (const perPage of ['', '?per_page=0', '?per_page=-1', '?per_page=x']) {
      expect((await page(`/v2/apps${perPage}`)).names).toHaveLength(30);
    }
    expect((await page('/v2/apps?per_page=1000')).names).toHaveLength(100);
  });

  it('http-api 39: a name is matched exactly', async () => {
    for (const name of ['a', 'b', 'bb']) await api.app(name);
    expect((await page('/v2/apps?name=b')).names).toEqual(['b']);
    expect((await api.get('/v2/apps?name=B')).text).toBe('{"items":[]}');
  });

  it('http-api 40: an invalid cursor is refused with the reason', async () => {
    expect(await api.get('/v2/apps?cursor=!!!')).toMatchObject(err(400, 'Invalid cursor'));
    expect(await api.get('/v2/apps?cursor=bQ==')).toMatchObject(err(400, 'Invalid cursor'));
    expect(await api.get('/v2/apps?cursor=')).toMatchObject({ status: 200 });
  });

  it('http-api 41, 42: functions and triggers are listed within an app', async () => {
    expect(await api.get('/v2/fns')).toMatchObject(err(400, 'Missing AppID on Fn'));
    expect(await api.get('/v2/triggers')).toMatchObject(err(400, 'Missing App ID on Trigger'));
  });

  it('http-api 43: the lists of an unknown app are empty', async () => {
    expect(await api.get('/v2/fns?app_id=nope')).toMatchObject({ status: 200, text: '{"items":[]}' });
    expect(await api.get('/v2/triggers?app_id=nope')).toMatchObject({ status: 200, text: '{"items":[]}' });
  });

  it('http-api 44: triggers of one function, in order of name', async () => {
    const appId = await api.app('a');
    const one = await api.fn(appId, 'one');
    const two = await api.fn(appId, 'two');
    await api.trigger(appId, one, 'y', '/y');
    await api.trigger(appId, two, 'x', '/x2');
    await api.trigger(appId, one, 'x', '/x');
    expect((await page(`/v2/triggers?app_id=${appId}&fn_id=${one}`)).names).toEqual(['x', 'y']);
    expect((await page(`/v2/triggers?app_id=${appId}&name=x`)).names).toEqual(['x', 'x']);
    expect((await page(`/v2/triggers?app_id=${appId}&name=x&fn_id=${two}`)).names).toEqual(['x']);
  });

  it('loses no trigger between two pages if names repeat', async () => {
    const appId = await api.app('a');
    for (const fn of ['one', 'two', 'three']) {
      await api.trigger(appId, await api.fn(appId, fn), 'same', `/${fn}`);
    }
    const sources: unknown[] = [];
    let cursor: unknown = '';
    while (cursor !== undefined) {
      const { body } = await api.get(`/v2/triggers?app_id=${appId}&per_page=1&cursor=${cursor}`);
      sources.push(...(body.items as { source: unknown }[]).map((item) => item.source));
      cursor = body.next_cursor;
    }
    expect(sources.sort()).toEqual(['/one', '/three', '/two']);
    // A cursor of Fn holds the name alone.
    expect((await page(`/v2/triggers?app_id=${appId}&cursor=c2FtZQ`)).names).toEqual([]);
  });

  it('lists functions page by page', async () => {
    const appId = await api.app('a');
    for (const name of ['f1', 'f2', 'f3']) await api.fn(appId, name);
    const first = await page(`/v2/fns?app_id=${appId}&per_page=2`);
    expect(first.names).toEqual(['f1', 'f2']);
    expect((await page(`/v2/fns?app_id=${appId}&per_page=2&cursor=${first.next}`)).names).toEqual(['f3']);
  });
});
