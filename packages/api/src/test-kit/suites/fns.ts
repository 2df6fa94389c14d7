import { FakeClock, formatDate } from '@fnfleet/core';
import { err, TestApi } from '../test-api.js';

describe('functions', () => {
  let clock: FakeClock;
  let api: TestApi;
  let appId: string;

  beforeEach(async () => {
    clock = new FakeClock();
    api = await TestApi.start({ clock });
    appId = await api.app('myapp', { shape: 'GENERIC_X86' });
  });
  afterEach(() => api.close());

  const create = (more: object = {}) => api.post('/v2/fns', { name: 'f', app_id: appId, image: 'img:1', ...more });

  it('http-api 45, 56: missing limits have their defaults', async () => {
    const { status, body } = await create({ shape: 'GENERIC_ARM' });
    const now = formatDate(clock.wallNow());
    expect(status).toBe(200);
    expect(Object.entries(body)).toEqual([
      ['id', expect.stringMatching(/^\w{26}$/)],
      ['name', 'f'],
      ['app_id', appId],
      ['image', 'img:1'],
      ['memory', 128],
      ['timeout', 30],
      ['idle_timeout', 30],
      ['config', {}],
      ['annotations', { 'fnproject.io/fn/invokeEndpoint': `${api.url}/invoke/${body.id}` }],
      ['created_at', now],
      ['updated_at', now],
      ['shape', 'GENERIC_X86'],
    ]);
  });

  it('http-api 46: an empty config is null from the first read on', async () => {
    const { body } = await create();
    expect((await api.get(`/v2/fns/${body.id}`)).body.config).toBeNull();
    expect((await api.get(`/v2/fns?app_id=${appId}`)).text).toContain('"config":null');
  });

  it('http-api 47: missing fields are reported in order', async () => {
    expect(await api.post('/v2/fns', {})).toMatchObject(err(400, 'Missing AppID on Fn'));
    expect(await api.post('/v2/fns', { app_id: appId })).toMatchObject(err(400, 'Missing Fn name'));
    expect(await create({ image: '' })).toMatchObject(err(400, 'Missing image on Fn'));
    expect(await create({ id: 'x' })).toMatchObject(err(400, 'ID cannot be provided for Fn creation'));
  });

  it('http-api 48: a name contains only characters that need no escaping in a URL path', async () => {
    for (const name of ['a b', 'a/b', 'a,b', 'a!', 'é']) {
      expect(await create({ name })).toMatchObject(err(400, 'name must be a valid string'));
    }
    expect((await create({ name: 'a.b~c$&+:=@' })).status).toBe(200);
    expect(await create({ name: 'a'.repeat(256) })).toMatchObject(err(400, 'Fn name must be 255 characters or less'));
  });

  it.each([
    [{ timeout: 301 }, 'timeout value is out of range, must be between 0 and 300'],
    [{ timeout: -1 }, 'timeout value is out of range, must be between 0 and 300'],
    [{ idle_timeout: 3601 }, 'idle_timeout value is out of range, must be between 0 and 3600'],
    [{ memory: 8193 }, 'memory value is out of range. It should be between 0 and 8192'],
    [{ memory: -1 }, 'Invalid JSON'],
    [{ memory: 1.5 }, 'Invalid JSON'],
    [{ timeout: 2 ** 31 }, 'Invalid JSON'],
    [{ timeout: '3' }, 'Invalid JSON'],
  ])('http-api 49: %j is refused', async (limits, message) => {
    expect(await create(limits)).toMatchObject(err(400, message));
  });

  it('http-api 50: the app must exist', async () => {
    expect(await create({ app_id: 'nope' })).toMatchObject(err(404, 'App not found'));
  });

  it('http-api 51: names are unique within an app', async () => {
    await create();
    expect(await create()).toMatchObject(err(409, 'Fn with specified name already exists'));
    expect((await create({ app_id: await api.app('other') })).status).toBe(200);
  });

  it('http-api 52: a change affects only the given fields; name and app stay', async () => {
    const { body: created } = await create();
    await clock.advance(5);
    const { body: changed } = await api.put(`/v2/fns/${created.id}`, { memory: 256 });
    expect(changed).toEqual({
      ...created,
      config: null,
      annotations: undefined,
      memory: 256,
      updated_at: formatDate(clock.wallNow()),
    });
    const moved = await api.put(`/v2/fns/${created.id}`, { name: 'x', app_id: 'y' });
    expect(moved.body).toEqual(changed);
  });

  it('http-api 53: an invalid change stores nothing', async () => {
    const { body } = await create();
    const answer = await api.put(`/v2/fns/${body.id}`, { timeout: 3601, memory: 256 });
    expect(answer).toMatchObject(err(400, 'timeout value is out of range, must be between 0 and 300'));
    expect((await api.get(`/v2/fns/${body.id}`)).body).toMatchObject({ timeout: 30, memory: 128 });
  });

  it('http-api 54: an unknown function cannot be changed', async () => {
    expect(await api.put('/v2/fns/nope', { memory: 256 })).toMatchObject(err(404, 'Fn not found'));
  });

  it('http-api 55: a change with another id is refused, and changes neither function', async () => {
    const one = await api.fn(appId, 'one');
    const two = await api.fn(appId, 'two');
    const answer = await api.put(`/v2/fns/${one}`, { id: two, memory: 256 });
    expect(answer).toMatchObject(err(400, 'Fn ID in path does not match that in body'));
    expect((await api.get(`/v2/fns/${two}`)).body.memory).toBe(128);
  });

  it('http-api 56: the endpoint is shown wherever a function is read', async () => {
    const { body } = await create();
    const endpoint = { 'fnproject.io/fn/invokeEndpoint': `http://${api.host}/invoke/${body.id}` };
    expect((await api.get(`/v2/fns/${body.id}`)).body.annotations).toEqual(endpoint);
    const { items } = (await api.get(`/v2/fns?app_id=${appId}&name=f`)).body as { items: { annotations: object }[] };
    expect(items[0]?.annotations).toEqual(endpoint);
  });

  it('http-api 56: the endpoint is that of the balancers if they have a public address', async () => {
    const behind = await TestApi.start({ env: { FN_PUBLIC_LB_URL: 'http://lb/x/' } });
    const id = await behind.fn(await behind.app('a'), 'f');
    expect((await behind.get(`/v2/fns/${id}`)).body.annotations).toEqual({
      'fnproject.io/fn/invokeEndpoint': `http://lb/x/invoke/${id}`,
    });
    await behind.close();
  });

  it('leaves out an endpoint that is too long for an annotation', async () => {
    const behind = await TestApi.start({ env: { FN_PUBLIC_LB_URL: `http://${'lb'.repeat(300)}` } });
    const id = await behind.fn(await behind.app('a'), 'f');
    expect(await behind.get(`/v2/fns/${id}`)).toMatchObject({ status: 200, body: { name: 'f' } });
    await behind.close();
  });

  it('http-api 57: the answer to a change shows only what is stored', async () => {
    const { body } = await create();
    expect((await api.put(`/v2/fns/${body.id}`, { memory: 64 })).body).not.toHaveProperty('annotations');
  });

  it('http-api 58: deleting a function deletes its triggers, not the app', async () => {
    const fnId = await api.fn(appId, 'f');
    const triggerId = await api.trigger(appId, fnId, 't', '/t');
    expect((await api.delete(`/v2/fns/${fnId}`)).status).toBe(204);
    expect((await api.get(`/v2/triggers/${triggerId}`)).status).toBe(404);
    expect((await api.get(`/v2/apps/${appId}`)).status).toBe(200);
    expect(await api.delete(`/v2/fns/${fnId}`)).toMatchObject(err(404, 'Fn not found'));
  });

  it('replaces image and timeouts, and merges config', async () => {
    const { body } = await create({ config: { A: '1', B: '2' } });
    const change = { image: 'img:2', timeout: 60, idle_timeout: 90, config: { A: '', C: '3' } };
    const changed = await api.put(`/v2/fns/${body.id}`, change);
    expect(changed.body).toMatchObject({ image: 'img:2', timeout: 60, idle_timeout: 90, config: { B: '2', C: '3' } });
    const zeros = await api.put(`/v2/fns/${body.id}`, { image: '', timeout: 0, idle_timeout: 0, memory: 0 });
    expect(zeros.body).toEqual(changed.body);
  });
});
