import { type OutgoingHttpHeaders, request } from 'node:http';
import { Readable } from 'node:stream';
import { text as textOf } from 'node:stream/consumers';
import { MIB } from '@fnfleet/core';
import { API_OPERATIONS } from '../../openapi/operations.js';
import { describedAnswers, TestApi } from '../test-api.js';

describe('hostile operators', () => {
  let api: TestApi;
  let appId: string;
  const unhandled: unknown[] = [];
  const onUnhandled = (reason: unknown) => unhandled.push(reason);

  beforeEach(async () => {
    process.on('unhandledRejection', onUnhandled);
    api = await TestApi.start();
    appId = await api.app('ordinary', { config: { A: '1' } });
  });

  afterEach(async () => {
    // What was there is as it was, and an ordinary request is served.
    const kept = await api.get(`/v2/apps/${appId}`);
    expect(kept).toMatchObject({ status: 200, body: { name: 'ordinary', config: { A: '1' } } });
    expect(await api.post('/v2/apps', { name: 'after' })).toMatchObject({ status: 200 });
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    expect(await api.server.drain({ graceMs: 10_000 })).toBe('drained');
    await api.close();
    process.off('unhandledRejection', onUnhandled);
    expect(unhandled.splice(0)).toEqual([]);
  });

  interface Raw {
    readonly status: number;
    readonly text: string;
  }

  /** As it is: a client library would put the path in order first. */
  function send(method: string, path: string, body?: Buffer | string | Readable, headers: OutgoingHttpHeaders = {}) {
    const { port } = new URL(api.url);
    return new Promise<Raw>((resolve, reject) => {
      const length =
        body instanceof Readable || body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
      const sent = request({ port, method, path, headers: { ...length, ...headers }, agent: false }, (res) => {
        textOf(res)
          .then((text) => {
            const { statusCode: status = 0, headers: received } = res;
            const get = (name: string) => received[name.toLowerCase()]?.toString() ?? null;
            describedAnswers.check({ method, path, status, headers: { get }, text });
            resolve({ status, text });
          })
          .catch(reject);
      });
      sent.on('error', reject);
      if (body instanceof Readable) body.pipe(sent);
      else sent.end(body);
    });
  }

  const numbered = <T>(count: number, make: (n: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n));
  const message = (text: string) => `${JSON.stringify({ message: text })}\n`;
  const INVALID = message('Invalid JSON');
  const deep = (open: string, close: string, depth = 100_000) => open.repeat(depth) + close.repeat(depth);

  it.each`
    body                                      | json                                                                                                                          | status | text
    ${'nothing'}                              | ${''}                                                                                                                         | ${400} | ${INVALID}
    ${'no object'}                            | ${'[{"name":"x"}]'}                                                                                                           | ${400} | ${INVALID}
    ${'1 MB of objects and texts unended'}    | ${'{"'.repeat(500_000)}                                                                                                       | ${400} | ${INVALID}
    ${'1 MB of escaped quotes'}               | ${`{"${'\\"'.repeat(499_000)}`}                                                                                               | ${400} | ${INVALID}
    ${'1 MB of white space'}                  | ${' '.repeat(1_000_000)}                                                                                                      | ${400} | ${INVALID}
    ${'lists nested 100 000 deep'}            | ${deep('[', ']')}                                                                                                             | ${400} | ${INVALID}
    ${'objects nested 100 000 deep'}          | ${`{"name":${deep('{"a":', '}', 80_000).replace('}', '1}')}}`}                                                                | ${400} | ${INVALID}
    ${'an unknown field nested 100 000 deep'} | ${`{"name":"x","y":${deep('[', ']')}}`}                                                                                       | ${200} | ${/"name":"x"/}
    ${'an annotation nested 100 000 deep'}    | ${`{"name":"x","annotations":{"k":${deep('[', ']')}}}`}                                                                       | ${400} | ${/annotation value length/}
    ${'the same field twice'}                 | ${'{"name":"a b","name":"x"}'}                                                                                                | ${200} | ${/"name":"x"/}
    ${'a field in letters of both sizes'}     | ${'{"NAME":"x"}'}                                                                                                             | ${200} | ${/"name":"x"/}
    ${'a prototype in place of fields'}       | ${'{"__proto__":{"name":"x","polluted":1}}'}                                                                                  | ${400} | ${message('Missing Name')}
    ${'a prototype among configuration'}      | ${'{"name":"x","config":{"__proto__":"v","constructor":"w"}}'}                                                                | ${200} | ${/"config":\{"__proto__":"v","constructor":"w"\}/}
    ${'a prototype among annotations'}        | ${'{"name":"x","annotations":{"__proto__":{"polluted":1}}}'}                                                                  | ${200} | ${/"annotations":\{"__proto__":\{"polluted":1\}\}/}
    ${'names of methods as fields'}           | ${'{"name":"x","toString":1,"hasOwnProperty":2,"then":3}'}                                                                    | ${200} | ${/"name":"x"/}
    ${'a number in place of a name'}          | ${'{"name":1e400}'}                                                                                                           | ${400} | ${INVALID}
    ${'a number without end'}                 | ${'{"name":"x","annotations":{"k":1e400}}'}                                                                                   | ${400} | ${/Invalid annotation value/}
    ${'a number of 100 000 digits'}           | ${`{"name":"x","annotations":{"k":${'9'.repeat(100_000)}}}`}                                                                  | ${400} | ${/Invalid annotation value/}
    ${'half a surrogate as name'}             | ${'{"name":"\\ud800"}'}                                                                                                       | ${400} | ${message('Invalid app name')}
    ${'a NUL as name'}                        | ${'{"name":"a\\u0000"}'}                                                                                                      | ${400} | ${message('Invalid app name')}
    ${'a name of 100 kB'}                     | ${`{"name":"${'n'.repeat(100_000)}"}`}                                                                                        | ${400} | ${/255 characters or less/}
    ${'500 kB of configuration'}              | ${`{"name":"x","config":{"K":"${'v'.repeat(500_000)}"}}`}                                                                     | ${400} | ${/Invalid config/}
    ${'100 000 keys of configuration'}        | ${`{"name":"x","config":${JSON.stringify(Object.fromEntries(Array.from({ length: 60_000 }, (_, i) => [`k${i}`, ''])))}}`}     | ${400} | ${/Invalid config/}
    ${'100 000 annotations'}                  | ${`{"name":"x","annotations":${JSON.stringify(Object.fromEntries(Array.from({ length: 60_000 }, (_, i) => [`k${i}`, 1])))}}`} | ${400} | ${/Invalid annotation/}
    ${'a syslog address full of blanks'}      | ${`{"name":"x","syslog_url":"${' '.repeat(500_000)}"}`}                                                                       | ${400} | ${/syslog url/}
    ${'a byte-order mark first'}              | ${'\ufeff{"name":"x"}'}                                                                                                       | ${400} | ${INVALID}
    ${'two objects'}                          | ${'{"name":"x"}{"name":"y"}'}                                                                                                 | ${200} | ${/"name":"x"/}
    ${'an object and 900 kB after it'}        | ${`{"name":"x"}${'{"'.repeat(450_000)}`}                                                                                      | ${200} | ${/"name":"x"/}
    ${'more than a resource can need'}        | ${`{"name":"${'x'.repeat(MIB)}"}`}                                                                                            | ${413} | ${/too large for this server/}
  `('answers a body of $body with $status', async ({ json, status, text }) => {
    const answer = await send('POST', '/v2/apps', json);
    expect(answer.status).toBe(status);
    if (typeof text === 'string') expect(answer.text).toBe(text);
    else expect(answer.text).toMatch(text);
  });

  it('reads invalid UTF-8 like Fn', async () => {
    const bytes = (hex: string) =>
      Buffer.concat([Buffer.from('{"name":"x'), Buffer.from(hex, 'hex'), Buffer.from('"}')]);
    for (const hex of ['ff', 'c0af', 'eda080']) {
      expect(await send('POST', '/v2/apps', bytes(hex))).toEqual({ status: 400, text: message('Invalid app name') });
    }
    const config = Buffer.concat([
      Buffer.from('{"name":"y","config":{"K":"'),
      Buffer.from('ff', 'hex'),
      Buffer.from('"}}'),
    ]);
    expect(await send('POST', '/v2/apps', config)).toMatchObject({
      status: 200,
      text: expect.stringContaining('\ufffd'),
    });
  });

  it('a compressed body is not JSON', async () => {
    const bomb = Buffer.from('1f8b0800000000000003edc1010d000000c2a0f74f6d0e37a000000000000000000000', 'hex');
    const answer = await send('POST', '/v2/apps', bomb, { 'content-encoding': 'gzip' });
    expect(answer).toEqual({ status: 400, text: INVALID });
  });

  it('refuses an endless body of unknown length at the limit', async () => {
    let sent = 0;
    const endless = new Readable({
      read() {
        sent += 1;
        this.push(Buffer.alloc(64 * 1024, ' '));
      },
    });
    endless.on('error', () => undefined);
    const answer = await send('POST', '/v2/apps', endless).catch((error: Error) => error.message);
    endless.destroy();
    // The client may be cut off while it still sends.
    if (typeof answer !== 'string') expect(answer.status).toBe(413);
    expect(sent).toBeGreaterThan(16);
  });

  const encoded = (text: string) => Buffer.from(text).toString('base64url');

  it.each`
    query                                         | status
    ${'per_page=-1'}                              | ${200}
    ${'per_page=1e9'}                             | ${200}
    ${`per_page=${'9'.repeat(10_000)}`}           | ${200}
    ${'per_page=%00'}                             | ${200}
    ${'per_page=1&per_page=2'}                    | ${200}
    ${'cursor=!!!'}                               | ${400}
    ${'cursor=bQ=='}                              | ${400}
    ${'cursor=A'}                                 | ${400}
    ${`cursor=${'A'.repeat(20_000)}`}             | ${200}
    ${`cursor=${encoded('a\0b\0c')}`}             | ${200}
    ${`cursor=${encoded("x' OR '1'='1")}`}        | ${200}
    ${`cursor=${encoded('\ud800')}`}              | ${200}
    ${'cursor=_____w'}                            | ${200}
    ${"name=x'%20OR%20'1'='1"}                    | ${200}
    ${'name=%00'}                                 | ${200}
    ${'name=%ff%fe'}                              | ${200}
    ${'name=%zz'}                                 | ${200}
    ${`name=${'n'.repeat(30_000)}`}               | ${200}
    ${'name[]=a&name[b]=c'}                       | ${200}
    ${'__proto__=1&constructor=2&__proto__[x]=3'} | ${200}
    ${'a&'.repeat(15_000)}                        | ${200}
    ${'?????'}                                    | ${200}
  `('answers a list with $query with $status', async ({ query, status }) => {
    for (const path of ['/v2/apps', `/v2/fns?app_id=${appId}`, `/v2/triggers?app_id=${appId}`]) {
      const answer = await send('GET', `${path}${path.includes('?') ? '&' : '?'}${query}`);
      expect([path, answer.status]).toEqual([path, status]);
      const { items = [] } = JSON.parse(answer.text) as { items?: unknown[] };
      expect(items.length).toBeLessThanOrEqual(1);
    }
  });

  it.each`
    path                                                              | status
    ${`/v2/apps/${'i'.repeat(30_000)}`}                               | ${404}
    ${'/v2/apps/%00'}                                                 | ${404}
    ${'/v2/apps/%ff'}                                                 | ${400}
    ${'/v2/apps/%'}                                                   | ${400}
    ${'/v2/apps/__proto__'}                                           | ${404}
    ${"/v2/apps/x'%20OR%20'1'='1"}                                    | ${404}
    ${'/v2/apps/../../etc/passwd'}                                    | ${404}
    ${'/v2/apps/%2e%2e%2f%2e%2e%2fetc%2fpasswd'}                      | ${404}
    ${'/v2/apps/a%0d%0aSet-Cookie:%20x'}                              | ${404}
    ${`/v2/${'a/'.repeat(10_000)}`}                                   | ${404}
    ${`/v2/runner/apps/x/triggerBySource/http/${'%2f'.repeat(9000)}`} | ${404}
    ${'http://evil.example/v2/apps'}                                  | ${403}
    ${'//v2/apps'}                                                    | ${404}
  `('answers GET $path with $status', async ({ path, status }) => {
    expect((await send('GET', path)).status).toBe(status);
    // Nothing is found there to change or to remove either.
    for (const method of ['PUT', 'DELETE']) {
      const answer = await send(method, path, method === 'PUT' ? '{"config":{"A":"2"}}' : undefined);
      expect([400, 403, 404, 405]).toContain(answer.status);
    }
  });

  const paths = [...new Set(Object.values(API_OPERATIONS).map(({ path }) => path))];
  const filledIn = (path: string) => path.replace('*trigger_source', '/hot').replace(/:\w+/g, 'x');

  it.each(paths)('%s refuses the methods that it does not describe, with any body', async (template) => {
    const path = filledIn(template);
    const described = Object.values(API_OPERATIONS).filter((operation) => operation.path === template);
    const others = ['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'TRACE', 'PROPFIND', 'M-SEARCH'].filter(
      (method) => !described.some((operation) => operation.method === method),
    );
    for (const method of others) {
      const answer = await send(method, path, method === 'TRACE' ? undefined : '{"name":"x"}');
      const text = method === 'HEAD' ? '' : message(`Method not allowed: ${method} ${path}`);
      expect([method, answer]).toEqual([method, { status: 405, text }]);
    }
    // CORS is off, so a preflight request is a request like any other.
    const preflight = await send('OPTIONS', path, undefined, {
      origin: 'https://evil.example',
      'access-control-request-method': 'DELETE',
    });
    expect([403, 405]).toContain(preflight.status);
  });

  it.each`
    what                                 | headers                                                                  | status
    ${'an entity tag of 16 KiB'}         | ${{ 'if-match': `"${'x'.repeat(16 * 1024)}"` }}                          | ${400}
    ${'an entity tag of a megabyte'}     | ${{ 'if-match': `"${'x'.repeat(MIB)}"` }}                                | ${431}
    ${'a list of 300 entity tags'}       | ${{ 'if-none-match': Array.from({ length: 300 }, () => '"x"') }}         | ${400}
    ${'30 000 quotes'}                   | ${{ 'if-none-match': '"'.repeat(30_000) }}                               | ${400}
    ${'15 000 spaces and commas'}        | ${{ 'if-match': ' ,'.repeat(15_000) }}                                   | ${400}
    ${'900 headers'}                     | ${Object.fromEntries(numbered(900, (n) => [`x-${n}`, '1']))}             | ${404}
    ${'2000 headers'}                    | ${Object.fromEntries(numbered(2000, (n) => [`x-${n}`, '1']))}            | ${431}
    ${'a dozen of conditions of a kind'} | ${{ 'if-modified-since': numbered(12, () => 'today'), range: 'x' }}      | ${404}
    ${'a type that is not JSON'}         | ${{ 'content-type': `text/${'x'.repeat(20_000)}`, accept: 'image/png' }} | ${404}
  `('answers a request with $what with $status', async ({ headers, status }) => {
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const body = method === 'PUT' ? '{}' : undefined;
      expect([method, (await send(method, '/v2/apps/unknown', body, headers)).status]).toEqual([method, status]);
    }
  });

  it.each`
    what                             | path              | field           | value                    | status
    ${'NUL in a source'}             | ${'/v2/triggers'} | ${'source'}     | ${'/a\0b'}               | ${400}
    ${'NUL in the id of an app'}     | ${'/v2/triggers'} | ${'app_id'}     | ${'a\0b'}                | ${404}
    ${'NUL in the id of a function'} | ${'/v2/triggers'} | ${'fn_id'}      | ${'a\0b'}                | ${404}
    ${'NUL in an image'}             | ${'/v2/fns'}      | ${'image'}      | ${'a\0b'}                | ${400}
    ${'NUL in the name of a fn'}     | ${'/v2/fns'}      | ${'name'}       | ${'a\0b'}                | ${400}
    ${'NUL in a syslog address'}     | ${'/v2/apps'}     | ${'syslog_url'} | ${'tcp://h/a\0b'}        | ${400}
    ${'half a surrogate in a name'}  | ${'/v2/fns'}      | ${'name'}       | ${'a\ud800'}             | ${400}
    ${'half a surrogate in a path'}  | ${'/v2/triggers'} | ${'source'}     | ${'/a\udc00'}            | ${200}
    ${'half a surrogate in an id'}   | ${'/v2/triggers'} | ${'app_id'}     | ${'a\udc00'}             | ${404}
    ${'an id of 100 kB'}             | ${'/v2/triggers'} | ${'fn_id'}      | ${'f'.repeat(100_000)}   | ${404}
    ${'a path of 100 kB'}            | ${'/v2/triggers'} | ${'source'}     | ${`/${'s'.repeat(1e5)}`} | ${400}
  `('answers $what with $status', async ({ path, field, value, status }) => {
    const fnId = await api.fn(appId, 'f');
    const bodies: Record<string, object> = {
      '/v2/apps': { name: 'n' },
      '/v2/fns': { name: 'n', app_id: appId, image: 'i' },
      '/v2/triggers': { name: 'n', app_id: appId, fn_id: fnId, type: 'http', source: '/' },
    };
    const answer = await send('POST', path, JSON.stringify({ ...bodies[path], [field]: value }));
    expect([answer.status, answer.text]).toEqual([status, expect.anything()]);
  });

  it('a hundred readers of the document get one and the same, at once', async () => {
    const texts = await Promise.all(numbered(100, () => send('GET', '/v2/openapi.json').then(({ text }) => text)));
    expect(new Set(texts).size).toBe(1);
  });

  it('a hundred concurrent changes leave an app consistent', async () => {
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        send('PUT', `/v2/apps/${appId}`, JSON.stringify({ config: { [`K${i}`]: 'v' } })),
      ),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    const { body } = await api.get(`/v2/apps/${appId}`);
    expect(Object.keys(body.config as object)).toHaveLength(101);
    const change = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`K${i}`, '']));
    expect((await send('PUT', `/v2/apps/${appId}`, JSON.stringify({ config: change }))).status).toBe(200);
  });
});
