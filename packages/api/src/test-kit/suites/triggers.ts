import { err, TestApi } from '../test-api.js';

describe('triggers', () => {
  let api: TestApi;
  let appId: string;
  let fnId: string;

  beforeEach(async () => {
    api = await TestApi.start();
    appId = await api.app('myapp');
    fnId = await api.fn(appId, 'f');
  });
  afterEach(() => api.close());

  const create = (more: object = {}) =>
    api.post('/v2/triggers', { name: 't', app_id: appId, fn_id: fnId, type: 'http', source: '/s', ...more });

  it('http-api 59: a new trigger shows its URL', async () => {
    const { status, body } = await create();
    expect(status).toBe(200);
    expect(Object.entries(body)).toEqual([
      ['id', expect.stringMatching(/^\w{26}$/)],
      ['name', 't'],
      ['app_id', appId],
      ['fn_id', fnId],
      ['created_at', body.updated_at],
      ['updated_at', body.created_at],
      ['type', 'http'],
      ['source', '/s'],
      ['annotations', { 'fnproject.io/trigger/httpEndpoint': `${api.url}/t/myapp/s` }],
    ]);
    expect((await api.get(`/v2/triggers/${body.id}`)).body).toEqual(body);
  });

  it.each([
    ['/grüße', '/gr%C3%BC%C3%9Fe'],
    ['/a b', '/a%20b'],
    ['/50%', '/50%25'],
    ['/%41', '/%2541'],
    ['/what?', '/what%3F'],
    ['/part#1', '/part%231'],
    ['//x/', '//x/'],
    ["/a-._~!$&'()*+,;=:@/b", "/a-._~!$&'()*+,;=:@/b"],
  ])('http-api 59: shows a source of %s as a valid URL', async (source, shown) => {
    const { body } = await create({ source });
    const endpoint = `${api.url}/t/myapp${shown}`;
    expect(body).toMatchObject({ source, annotations: { 'fnproject.io/trigger/httpEndpoint': endpoint } });
  });

  it.each([
    [{ type: undefined }, 'Trigger Type Not Supported'],
    [{ type: 'x' }, 'Trigger Type Not Supported'],
    [{ source: undefined }, 'Missing Trigger Source'],
    [{ source: 's' }, "Missing Trigger Source Prefix '/'"],
    [{ app_id: undefined, name: undefined }, 'Missing App ID on Trigger'],
    [{ name: undefined }, 'Missing name on Trigger'],
    [{ fn_id: undefined }, 'Missing Fn ID on Trigger'],
    [{ name: 'a.b' }, 'Invalid name for Trigger'],
    [{ name: 'a'.repeat(256) }, 'Trigger name must be 255 characters or less'],
    [{ id: 'x' }, 'ID cannot be provided for Trigger creation'],
    [{ created_at: '2019-01-24T10:00:00Z' }, 'Trigger Created At Provided for Create'],
    [{ created_at: '' }, 'Trigger Created At Provided for Create'],
    [{ updated_at: '2019-01-24T10:00:00Z' }, 'Trigger ID Provided for Create'],
  ])('http-api 60, 65: %j is refused', async (fault, message) => {
    expect(await create(fault)).toMatchObject(err(400, message));
  });

  it('http-api 65: the zero date is no date', async () => {
    const zero = '0001-01-01T00:00:00.000Z';
    expect((await create({ created_at: zero, updated_at: zero })).status).toBe(200);
  });

  it('http-api 61: the function must belong to the app', async () => {
    const foreign = await api.fn(await api.app('other'), 'f');
    expect(await create({ fn_id: foreign })).toMatchObject(err(400, 'Invalid Fn ID - not owned by specified app'));
  });

  it('http-api 62: app and function must exist', async () => {
    expect(await create({ app_id: 'nope' })).toMatchObject(err(404, 'App not found'));
    expect(await create({ fn_id: 'nope' })).toMatchObject(err(404, 'Fn not found'));
  });

  it('http-api 63, 64: sources are unique in the app, names in the function', async () => {
    await create();
    const sourceTaken = err(409, 'Trigger with the same type and source exists on this app');
    const other = await api.fn(appId, 'other');
    expect(await create({ name: 'u', fn_id: other })).toMatchObject(sourceTaken);
    expect(await create({ source: '/other' })).toMatchObject(err(409, 'Trigger already exists'));
    expect((await create({ source: '/other', fn_id: other })).status).toBe(200);
  });

  it('http-api 66: a change can rename a trigger, and is validated', async () => {
    const { body } = await create();
    const path = `/v2/triggers/${body.id}`;
    expect(await api.put(path, { source: 'x' })).toMatchObject(err(400, "Missing Trigger Source Prefix '/'"));
    const renamed = await api.put(path, { name: 'n2', type: 'other', app_id: 'other' });
    expect(renamed.body).toMatchObject({ name: 'n2', type: 'http', app_id: appId });
    expect(renamed.body).not.toHaveProperty('annotations');
    const mismatch = await api.put(path, { id: 'other', name: 'n3' });
    expect(mismatch).toMatchObject(err(400, 'ID in path does not match ID in body'));
    expect((await api.get(path)).body.name).toBe('n2');
  });

  it('http-api 66: refuses a change to a name or source of another trigger, or to a function of another app', async () => {
    await create();
    const id = await api.trigger(appId, fnId, 'second', '/second');
    const path = `/v2/triggers/${id}`;
    expect(await api.put(path, { name: 't' })).toMatchObject(err(409, 'Trigger already exists'));
    const taken = await api.put(path, { source: '/s' });
    expect(taken).toMatchObject(err(409, 'Trigger with the same type and source exists on this app'));
    const foreign = await api.fn(await api.app('other'), 'f');
    expect(await api.put(path, { fn_id: foreign })).toMatchObject(
      err(400, 'Invalid Fn ID - not owned by specified app'),
    );
    expect((await api.put(path, { fn_id: await api.fn(appId, 'g') })).status).toBe(200);
  });

  it('http-api 67: an unknown trigger cannot be deleted', async () => {
    expect(await api.delete('/v2/triggers/nope')).toMatchObject(err(404, 'Trigger not found'));
    const { body } = await create();
    expect((await api.delete(`/v2/triggers/${body.id}`)).status).toBe(204);
  });

  it('http-api 106: a balancer finds a trigger by its source, including slashes', async () => {
    const { body } = await create();
    const found = await api.get(`/v2/runner/apps/${appId}/triggerBySource/http//s`);
    expect(found).toMatchObject({ status: 200, body: { id: body.id, source: '/s' } });
    expect(found.body).not.toHaveProperty('annotations');

    const deep = await api.trigger(appId, fnId, 'deep', '/a//b');
    expect((await api.get(`/v2/runner/apps/${appId}/triggerBySource/http//a//b`)).body.id).toBe(deep);
    expect((await api.get(`/v2/runner/apps/${appId}/triggerBySource/http/%2Fa%2F%2Fb`)).body.id).toBe(deep);

    const notFound = err(404, 'Trigger not found');
    expect(await api.get(`/v2/runner/apps/${appId}/triggerBySource/http/s`)).toMatchObject(notFound);
    expect(await api.get(`/v2/runner/apps/${appId}/triggerBySource/http//s/more`)).toMatchObject(notFound);
    expect(await api.get(`/v2/runner/apps/nope/triggerBySource/http//s`)).toMatchObject(notFound);
  });
});
