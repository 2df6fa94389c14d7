import { FakeClock, formatDate } from '@fnfleet/core';
import { err, TestApi } from '../test-api.js';

const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d\d:\d\d)$/;

describe('apps', () => {
  let clock: FakeClock;
  let api: TestApi;

  beforeEach(async () => {
    clock = new FakeClock();
    api = await TestApi.start({ clock });
  });
  afterEach(() => api.close());

  it('http-api 18, 111: a new app has an id, two equal dates and no empty fields', async () => {
    const { status, body, headers } = await api.post('/v2/apps', { name: 'a1' });

    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(Object.keys(body)).toEqual(['id', 'name', 'created_at', 'updated_at']);
    expect(body.id).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
    expect(body.created_at).toBe(body.updated_at);
    expect(body.created_at).toMatch(DATE);
  });

  it.each(['', 'nonsense', '[]', '"a"', '{"name":', '{"name":1}', '{"name":"a","config":{"A":1}}', '{"config":[]}'])(
    'http-api 19, 27: the body %j is invalid JSON',
    async (body) => {
      expect(await api.post('/v2/apps', body)).toMatchObject(err(400, 'Invalid JSON'));
    },
  );

  it('http-api 20: an app needs a name, even if the body is null', async () => {
    expect(await api.post('/v2/apps', {})).toMatchObject(err(400, 'Missing Name'));
    expect(await api.post('/v2/apps', 'null')).toMatchObject(err(400, 'Missing Name'));
  });

  it('http-api 21: the server chooses the id', async () => {
    const answer = await api.post('/v2/apps', { id: 'mine', name: 'a' });
    expect(answer).toMatchObject(err(400, 'App ID cannot be supplied on create'));
  });

  it('http-api 22: a name has up to 255 bytes', async () => {
    expect((await api.post('/v2/apps', { name: 'a'.repeat(255) })).status).toBe(200);
    const tooLong = err(400, 'App name must be 255 characters or less');
    expect(await api.post('/v2/apps', { name: 'a'.repeat(256) })).toMatchObject(tooLong);
    expect(await api.post('/v2/apps', { name: 'é'.repeat(128) })).toMatchObject(tooLong);
  });

  it('http-api 23: a name is letters and numbers of any script, underscore and hyphen', async () => {
    expect(await api.post('/v2/apps', { name: 'a b' })).toMatchObject(err(400, 'Invalid app name'));
    expect(await api.post('/v2/apps', { name: '&&%' })).toMatchObject(err(400, 'Invalid app name'));
    expect((await api.post('/v2/apps', { name: 'é1_-' })).status).toBe(200);
  });

  it('http-api 24: names are unique', async () => {
    await api.app('a');
    expect(await api.post('/v2/apps', { name: 'a' })).toMatchObject(err(409, 'App already exists'));
  });

  it('http-api 25: logs go to a syslog URL or nowhere', async () => {
    const bad = await api.post('/v2/apps', { name: 'a', syslog_url: 'yo' });
    expect(bad.status).toBe(400);
    expect(bad.body.message).toBe(
      'invalid syslog url: "yo" invalid scheme, only [tcp, udp, unix, unixgram, tcp+tls] are supported',
    );
    expect((await api.post('/v2/apps', { name: 'b', syslog_url: 'tcp://host:port' })).status).toBe(400);
    const good = await api.post('/v2/apps', { name: 'a', syslog_url: 'tcp://example.com:443' });
    expect(good.body.syslog_url).toBe('tcp://example.com:443');
    expect((await api.get(`/v2/apps/${good.body.id}`)).text).toBe(good.text);
  });

  it('http-api 26: the zero dates that the fn command sends are ignored', async () => {
    const zero = '0001-01-01T00:00:00.000Z';
    const { status, body } = await api.post('/v2/apps', { name: 'a', created_at: zero, updated_at: zero });
    expect(status).toBe(200);
    expect(body.created_at).toBe(formatDate(clock.wallNow()));
    expect(await api.post('/v2/apps', { name: 'b', created_at: 'yesterday' })).toMatchObject(err(400, 'Invalid JSON'));
  });

  it('http-api 28: field names match in any case, unknown fields and what follows the object are ignored', async () => {
    const { status, body } = await api.post('/v2/apps', '{"NAME":"a","shoe":9,"config":null} trailing {');
    expect(status).toBe(200);
    expect(body).toMatchObject({ name: 'a' });
  });

  it('http-api 29, 112: an unknown app is 404', async () => {
    const answer = await api.get('/v2/apps/nope');
    expect(answer).toMatchObject(err(404, 'App not found'));
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(await api.put('/v2/apps/nope', { config: {} })).toMatchObject(err(404, 'App not found'));
  });

  it('http-api 30: config is merged key by key', async () => {
    const id = await api.app('a');
    await api.put(`/v2/apps/${id}`, { config: { B: '2' } });
    expect((await api.put(`/v2/apps/${id}`, { config: { A: '1' } })).text).toContain('"config":{"A":"1","B":"2"}');
    expect((await api.put(`/v2/apps/${id}`, { config: { A: '' } })).body.config).toEqual({ B: '2' });
    expect((await api.get(`/v2/apps/${id}`)).body.config).toEqual({ B: '2' });
  });

  it('http-api 31: the name cannot be changed', async () => {
    const id = await api.app('a');
    const renamed = await api.put(`/v2/apps/${id}`, { name: 'b' });
    expect(renamed).toMatchObject(err(409, 'Could not update - name is immutable'));
    expect((await api.put(`/v2/apps/${id}`, { name: 'a' })).status).toBe(200);
  });

  it('http-api 32: an id in the body must match the path', async () => {
    const id = await api.app('a');
    const answer = await api.put(`/v2/apps/${id}`, { id: 'other', config: { A: '1' } });
    expect(answer).toMatchObject(err(400, 'App ID in path does not match ID in body'));
    expect((await api.get(`/v2/apps/${id}`)).body.config).toBeUndefined();
    expect((await api.put(`/v2/apps/${id}`, { id })).status).toBe(200);
  });

  it('http-api 33: updated_at changes only with the app', async () => {
    const { body: created } = await api.post('/v2/apps', { name: 'a', syslog_url: 'udp://log:514' });
    const path = `/v2/apps/${created.id}`;
    await clock.advance(1000);
    expect((await api.put(path, {})).body).toEqual(created);
    expect((await api.put(path, created)).body).toEqual(created);
    const changed = await api.put(path, { config: { A: '1' } });
    expect(changed.body.updated_at).toBe(formatDate(clock.wallNow()));
    const again = await api.put(path, { config: { A: '2' } });
    expect(String(again.body.updated_at) > String(changed.body.updated_at)).toBe(true);
    expect(again.body.created_at).toBe(created.created_at);
  });

  it('http-api 34: an empty syslog_url removes it', async () => {
    const id = await api.app('a', { syslog_url: 'udp://log:514' });
    expect((await api.put(`/v2/apps/${id}`, { config: { A: '1' } })).body.syslog_url).toBe('udp://log:514');
    expect((await api.put(`/v2/apps/${id}`, { syslog_url: '' })).body).not.toHaveProperty('syslog_url');
  });

  it('http-api 35: deleting an app deletes its functions and triggers', async () => {
    const id = await api.app('a');
    const fnId = await api.fn(id, 'f');
    const triggerId = await api.trigger(id, fnId, 't', '/t');

    const deleted = await api.delete(`/v2/apps/${id}`);
    expect(deleted).toMatchObject({ status: 204, text: '' });
    expect(await api.delete(`/v2/apps/${id}`)).toMatchObject(err(404, 'App not found'));
    expect(await api.get(`/v2/fns/${fnId}`)).toMatchObject(err(404, 'Fn not found'));
    expect(await api.get(`/v2/triggers/${triggerId}`)).toMatchObject(err(404, 'Trigger not found'));
  });

  it('http-api 36: a shape is chosen only once', async () => {
    const bad = await api.post('/v2/apps', { name: 'a', shape: 'BAD' });
    expect(bad).toMatchObject(err(400, 'Invalid app shape'));
    const id = await api.app('a', { shape: 'GENERIC_ARM' });
    const kept = await api.put(`/v2/apps/${id}`, { shape: 'BAD' });
    expect(kept).toMatchObject({ status: 200, body: { shape: 'GENERIC_ARM' } });
  });

  it('keeps a config key with a special meaning in JavaScript', async () => {
    const id = await api.made('/v2/apps', JSON.parse('{"name":"a"}'));
    await api.put(`/v2/apps/${id}`, '{"config":{"__proto__":"x","constructor":"y"}}');
    expect((await api.get(`/v2/apps/${id}`)).text).toContain('"config":{"__proto__":"x","constructor":"y"}');
  });
});
