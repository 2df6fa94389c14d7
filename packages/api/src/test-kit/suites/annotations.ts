import { err, TestApi } from '../test-api.js';

const INVALID_KEY = 'Invalid annotation key, annotation keys must be non-empty ascii strings excluding whitespace';
const LONG_KEY = 'Invalid annotation key length, annotation keys may not be larger than 128 bytes';
const INVALID_VALUE =
  'Invalid annotation value, annotation values may only be non-empty strings, numbers, objects, or arrays';
const LONG_VALUE =
  'Invalid annotation value length, annotation values may not be larger than 512 bytes when serialized as JSON';
const TOO_MANY = 'Invalid annotation change, new key(s) exceed maximum permitted number of annotations keys (100)';

describe('annotations', () => {
  let api: TestApi;

  beforeEach(async () => {
    api = await TestApi.start();
  });
  afterEach(() => api.close());

  const create = (annotations: object) => api.post('/v2/apps', { name: 'a', annotations });
  const keys = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, i]));

  it.each(['', ' ', 'é', 'a b'])('http-api 68: the key %j is invalid', async (key) => {
    expect(await create({ [key]: 1 })).toMatchObject(err(400, INVALID_KEY));
  });

  it('http-api 68: a key has up to 128 bytes', async () => {
    expect(await create({ ['k'.repeat(129)]: 1 })).toMatchObject(err(400, LONG_KEY));
    expect((await create({ ['k'.repeat(128)]: 1 })).status).toBe(200);
  });

  it('http-api 69: on create a value must not be empty; empty lists, objects, 0 and false are values', async () => {
    expect(await create({ k: '' })).toMatchObject(err(400, INVALID_VALUE));
    expect(await create({ k: null })).toMatchObject(err(400, INVALID_VALUE));
    const annotations = { list: [], number: 0, object: {}, truth: false };
    expect(await create(annotations)).toMatchObject({ status: 200, body: { annotations } });
  });

  it('http-api 70: a value has up to 512 bytes as JSON', async () => {
    expect(await create({ k: 'v'.repeat(511) })).toMatchObject(err(400, LONG_VALUE));
    expect((await create({ k: 'v'.repeat(510) })).status).toBe(200);
  });

  it('http-api 71: there are up to 100 keys', async () => {
    expect(await create(keys(101))).toMatchObject(err(400, TOO_MANY));
    const { body } = await create(keys(100));
    const path = `/v2/apps/${body.id}`;
    expect(await api.put(path, { annotations: { extra: 1 } })).toMatchObject(err(400, TOO_MANY));
    const swapped = await api.put(path, { annotations: { k0: '', extra: 1 } });
    expect(swapped.status).toBe(200);
  });

  it('http-api 72: an empty text or null deletes a key on update', async () => {
    const { body } = await create({ k: 1, l: 2, m: 3 });
    const path = `/v2/apps/${body.id}`;
    expect((await api.put(path, { annotations: { k: '' } })).body.annotations).toEqual({ l: 2, m: 3 });
    expect((await api.put(path, { annotations: { l: null, absent: '' } })).body.annotations).toEqual({ m: 3 });
    expect((await api.put(path, { annotations: { m: '' } })).body).not.toHaveProperty('annotations');
  });

  it('http-api 73: values keep the order of their members', async () => {
    const sent = '{"name":"a","annotations":{"k": {"z": [1, 2], "a": {"y": 1, "b": null}}}}';
    const { body, text } = await api.post('/v2/apps', sent);
    expect(text).toContain('"annotations":{"k":{"z":[1,2],"a":{"y":1,"b":null}}}');
    expect((await api.get(`/v2/apps/${body.id}`)).text).toBe(text);
  });

  it('http-api 74: what was read may be written back; the endpoint shown stays the current one', async () => {
    const fnId = await api.fn(await api.app('a'), 'f');
    const read = (await api.get(`/v2/fns/${fnId}`)).body;
    const stale = { ...read, annotations: { 'fnproject.io/fn/invokeEndpoint': 'http://old/invoke/x', own: 1 } };
    expect(await api.put(`/v2/fns/${fnId}`, stale)).toMatchObject({
      status: 200,
      body: { annotations: stale.annotations },
    });
    expect((await api.get(`/v2/fns/${fnId}`)).body.annotations).toEqual({
      'fnproject.io/fn/invokeEndpoint': `${api.url}/invoke/${fnId}`,
      own: 1,
    });
  });
});
