import { request } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import { err, TestApi } from '../test-api.js';
import { type TestDatabase, testDatabase } from '../test-database.js';

describe('conditions of requests', () => {
  const FAILED = err(412, 'The resource is not in the state that If-Match or If-None-Match requires: read it again');

  let database: TestDatabase;
  /** Two nodes that share a database. */
  let api: TestApi;
  let other: TestApi;

  beforeEach(async () => {
    database = await testDatabase();
    const start = () => TestApi.start({ env: { FN_DB_URL: database.url } });
    [api, other] = [await start(), await start()];
  });
  afterEach(async () => {
    await Promise.all([api.close(), other.close()]);
    await database.remove();
  });

  const tagOf = ({ headers }: { headers: Headers }) => headers.get('etag') ?? '';
  const change = (node: TestApi, path: string, config: object, headers: Record<string, string>) =>
    node.send('PUT', path, { config }, headers);

  async function everyKind(): Promise<Record<'apps' | 'fns' | 'triggers', string>> {
    const app = await api.app('a');
    const fn = await api.fn(app, 'f');
    const trigger = await api.trigger(app, fn, 't', '/t');
    return { apps: `/v2/apps/${app}`, fns: `/v2/fns/${fn}`, triggers: `/v2/triggers/${trigger}` };
  }

  it.each(['apps', 'fns', 'triggers'] as const)(
    'the entity tag of %s is strong, changes with each change and is the same everywhere',
    async (kind) => {
      const path = (await everyKind())[kind];
      const tag = tagOf(await api.get(path));
      expect(tag).toMatch(/^"[\w-]{22}"$/);
      expect(tagOf(await other.get(path))).toBe(tag);
      expect(tagOf(await api.put(path, {}))).toBe(tag);
      const changed = await other.put(path, { annotations: { k: 1 } });
      expect(tagOf(changed)).not.toBe(tag);
      expect(tagOf(await api.get(path))).toBe(tagOf(changed));
      // Back in the former state it is still another one: what happened in between is not overlooked.
      expect(tagOf(await api.put(path, { annotations: { k: '' } }))).not.toBe(tag);
    },
  );

  it('a created resource has the entity tag that a read returns', async () => {
    const app = await api.post('/v2/apps', {
      name: 'a',
      syslog_url: 'tcp://h/\ud800',
      config: { b: '1', a: '\ud800' },
    });
    const fn = await api.post('/v2/fns', { name: 'f', app_id: app.body.id, image: 'i', annotations: { k: [-0, 1e3] } });
    const owner = { app_id: app.body.id, fn_id: fn.body.id };
    const trigger = await api.post('/v2/triggers', { name: 't', type: 'http', source: '/\ud800', ...owner });
    for (const [kind, made] of Object.entries({ apps: app, fns: fn, triggers: trigger })) {
      expect(made.status).toBe(200);
      expect([kind, tagOf(await other.get(`/v2/${kind}/${made.body.id}`))]).toEqual([kind, tagOf(made)]);
    }
    expect((await api.get('/v2/apps')).headers.get('etag')).toBeNull();
  });

  it.each(['apps', 'fns', 'triggers'] as const)('an operator who read %s earlier overwrites nothing', async (kind) => {
    const path = (await everyKind())[kind];
    const stale = { 'if-match': tagOf(await api.get(path)) };
    await other.put(path, { annotations: { from: 'the other' } });

    expect(await api.send('PUT', path, { annotations: { from: 'me' } }, stale)).toMatchObject(FAILED);
    expect(await api.send('DELETE', path, undefined, stale)).toMatchObject(FAILED);
    const current = await api.get(path);
    expect(current.body.annotations).toMatchObject({ from: 'the other' });

    const fresh = { 'if-match': tagOf(current) };
    const changed = await api.send('PUT', path, { annotations: { from: 'me' } }, fresh);
    expect(changed).toMatchObject({ status: 200, body: { annotations: { from: 'me' } } });
    expect((await api.send('DELETE', path, undefined, { 'if-match': tagOf(changed) })).status).toBe(204);
  });

  it('of two operators who change what both have read, one is refused, every time', async () => {
    const path = `/v2/apps/${await api.app('a')}`;
    for (let round = 0; round < 20; round += 1) {
      const read = { 'if-match': tagOf(await api.get(path)) };
      const answers = await Promise.all(
        [api, other, api, other].map((node, who) => change(node, path, { OWNER: `${round}-${who}` }, read)),
      );
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 412, 412, 412]);
      const winner = answers.findIndex(({ status }) => status === 200);
      expect((await api.get(path)).body.config).toEqual({ OWNER: `${round}-${winner}` });
    }
    const read = { 'if-match': tagOf(await api.get(path)) };
    const [put, removed] = await Promise.all([
      change(api, path, { A: '1' }, read),
      other.send('DELETE', path, undefined, read),
    ]);
    expect([
      [200, 412],
      [404, 204],
    ]).toContainEqual([put.status, removed.status]);
  });

  describe('the conditions of a request', () => {
    let path: string;
    let tag: string;

    beforeEach(async () => {
      path = `/v2/apps/${await api.app('a')}`;
      tag = tagOf(await api.get(path));
    });

    const withTag = (text: string) => text.replace('TAG', tag);

    it.each`
      what                            | ifMatch                        | status
      ${'the current tag'}            | ${'TAG'}                       | ${200}
      ${'a list with it'}             | ${'"other", TAG'}              | ${200}
      ${'a list with empty places'}   | ${'"other" ,,\t TAG ,'}        | ${200}
      ${'a tag with a comma, and it'} | ${'"a,b", TAG'}                | ${200}
      ${'any'}                        | ${'*'}                         | ${200}
      ${'any, with spaces'}           | ${' * '}                       | ${200}
      ${'another tag'}                | ${'"other"'}                   | ${412}
      ${'an empty tag'}               | ${'""'}                        | ${412}
      ${'the current tag as weak'}    | ${'W/TAG'}                     | ${412}
      ${'a tag that looks like any'}  | ${'"*"'}                       | ${412}
      ${'tags without a comma'}       | ${'TAG "other"'}               | ${400}
      ${'a tag and a star'}           | ${'TAG*'}                      | ${400}
      ${'any in a list'}              | ${'*, TAG'}                    | ${400}
      ${'a small w'}                  | ${'w/TAG'}                     | ${400}
      ${'no quotes'}                  | ${'other'}                     | ${400}
      ${'one quote'}                  | ${'"unterminated'}             | ${400}
      ${'a comma'}                    | ${','}                         | ${400}
      ${'nothing'}                    | ${''}                          | ${400}
      ${'a space in a tag'}           | ${'"a b"'}                     | ${400}
      ${'100 tags'}                   | ${'"x",'.repeat(100)}          | ${412}
      ${'101 tags'}                   | ${`${'"x",'.repeat(100)}TAG`}  | ${400}
      ${'8192 characters'}            | ${`"${'x'.repeat(8190)}"`}     | ${412}
      ${'8193 characters'}            | ${`"${'x'.repeat(8191)}"`}     | ${400}
      ${'8191 quotes'}                | ${'"'.repeat(8191)}            | ${400}
      ${'4000 marks of weakness'}     | ${'W/'.repeat(4000)}           | ${400}
      ${'6000 separators'}            | ${`"a"${' \t,'.repeat(2000)}`} | ${412}
    `('If-Match with $what is answered with $status', async ({ ifMatch, status }) => {
      const headers = { 'if-match': withTag(ifMatch) };
      expect(await api.send('GET', path, undefined, headers)).toMatchObject({ status });
      expect(await change(api, path, {}, headers)).toMatchObject({ status });
      if (status === 400) expect((await change(api, path, {}, headers)).text).toContain('Bad request: If-Match ');
      const removed = await api.send('DELETE', path, undefined, headers);
      expect(removed.status).toBe(status === 200 ? 204 : status);
    });

    it.each`
      ifNoneMatch         | read   | write
      ${'TAG'}            | ${304} | ${412}
      ${'W/TAG'}          | ${304} | ${412}
      ${'"other", W/TAG'} | ${304} | ${412}
      ${'*'}              | ${304} | ${412}
      ${'"other"'}        | ${200} | ${200}
      ${'W/"other"'}      | ${200} | ${200}
      ${'"'}              | ${400} | ${400}
    `('If-None-Match: $ifNoneMatch: a read is $read, a change $write', async ({ ifNoneMatch, read, write }) => {
      const headers = { 'if-none-match': withTag(ifNoneMatch) };
      const answer = await api.send('GET', path, undefined, headers);
      expect(answer.status).toBe(read);
      if (read === 304)
        expect([answer.text, tagOf(answer), answer.headers.get('content-type')]).toEqual(['', tag, null]);
      expect((await change(api, path, {}, headers)).status).toBe(write);
    });

    it('repeated headers are one list', async () => {
      const { port } = new URL(api.url);
      const status = await new Promise<number>((resolve, reject) => {
        const headers: Record<string, string[]> = { 'if-none-match': ['"other"', tag] };
        request({ port, path, headers, agent: false }, (res) => {
          void textOf(res).then(() => resolve(res.statusCode ?? 0), reject);
        })
          .on('error', reject)
          .end();
      });
      expect(status).toBe(304);
    });

    it('If-Match counts before If-None-Match', async () => {
      const headers = { 'if-match': '"other"', 'if-none-match': tag };
      expect(await api.send('GET', path, undefined, headers)).toMatchObject(FAILED);
    });

    it('what does not exist matches nothing, and is not found', async () => {
      const conditions: Record<string, string>[] = [{ 'if-match': '*' }, { 'if-match': tag }, { 'if-none-match': '*' }];
      for (const headers of conditions) {
        expect(await api.send('GET', '/v2/apps/x', undefined, headers)).toMatchObject(err(404, 'App not found'));
        expect(await change(api, '/v2/apps/x', {}, headers)).toMatchObject(err(404, 'App not found'));
        expect(await api.send('DELETE', '/v2/apps/x', undefined, headers)).toMatchObject(err(404, 'App not found'));
      }
    });

    it('a new resource can be required not to exist, and cannot be required to exist', async () => {
      const create = (name: string, headers: Record<string, string>) => api.send('POST', '/v2/apps', { name }, headers);
      expect(await create('b', { 'if-match': '*' })).toMatchObject(FAILED);
      expect(await create('b', { 'if-match': tag })).toMatchObject(FAILED);
      expect((await create('b', { 'if-none-match': '*' })).status).toBe(200);
      expect(await create('b', { 'if-none-match': '*' })).toMatchObject(err(409, 'App already exists'));
    });

    it('nothing is changed if the change itself is invalid', async () => {
      expect((await api.send('PUT', path, '{', { 'if-match': tag })).status).toBe(400);
      expect((await api.send('PUT', path, { name: 'b' }, { 'if-match': tag })).status).toBe(409);
      expect(tagOf(await api.get(path))).toBe(tag);
    });
  });
});
