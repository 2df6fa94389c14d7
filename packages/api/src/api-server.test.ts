import { request } from 'node:http';
import { connect } from 'node:net';
import { PassThrough } from 'node:stream';
import { text as textOf } from 'node:stream/consumers';
import { createLogger, Deferred, FnError, readSettings } from '@fnfleet/core';
import { newApiServer } from './api-server.js';
import type { Datastore } from './datastore/datastore.js';
import { openDatastore } from './datastore/open-datastore.js';
import { apiSettings } from './settings.js';
import { err, TestApi } from './test-kit/test-api.js';

describe('an api node', () => {
  let api: TestApi | undefined;
  const start = async (options?: Parameters<typeof TestApi.start>[0]) => {
    api = await TestApi.start(options);
    return api;
  };

  afterEach(async () => {
    await api?.close();
    api = undefined;
  });

  it('http-api 1, 2, 3: answers ping, version and metrics', async () => {
    const node = await start({ metrics: (_req, res) => void res.end('fn_api_request_count 1') });
    expect((await node.get('/')).body).toEqual({ goto: 'https://github.com/fnproject/fn', hello: 'world!' });
    expect((await node.get('/version')).body.version).toMatch(/^\d+\.\d+\.\d+/);
    expect(await node.get('/metrics')).toMatchObject({ status: 200, text: expect.stringContaining('fn_api_') });
  });

  it('http-api 4: does not take calls', async () => {
    const node = await start();
    expect(await node.post('/invoke/x', '')).toMatchObject(err(404, 'Path not found: POST /invoke/x'));
    expect(await node.get('/t/a/b')).toMatchObject(err(404, 'Path not found: GET /t/a/b'));
  });

  it.each([
    ['PATCH', '/v2/apps/x'],
    ['PUT', '/v2/apps'],
    ['DELETE', '/v2/fns'],
    ['OPTIONS', '/v2/triggers'],
    ['POST', '/v2/triggers/x'],
  ])('http-api 7: %s %s is not allowed', async (method, path) => {
    const answer = await (await start()).send(method, path);
    expect(answer).toMatchObject(err(405, `Method not allowed: ${method} ${path}`));
    expect(answer.headers.get('allow')).toBeNull();
  });

  it('http-api 7: HEAD is a method of its own', async () => {
    expect(await (await start()).send('HEAD', '/v2/apps')).toMatchObject({ status: 405, text: '' });
  });

  it('http-api 8: redirects a request with an extra trailing slash if the method exists', async () => {
    const node = await start();
    const get = await node.get('/v2/apps/?name=a');
    expect([get.status, get.headers.get('location')]).toEqual([301, '/v2/apps?name=a']);
    const post = await node.post('/v2/apps/', '{}');
    expect([post.status, post.headers.get('location')]).toEqual([307, '/v2/apps']);
    expect(await node.put('/v2/apps/', '{}')).toMatchObject(err(404, 'Path not found: PUT /v2/apps/'));
  });

  it('http-api 12: refuses a body by its Content-Length', async () => {
    const node = await start({ env: { FN_MAX_REQUEST_SIZE: '10' } });
    const tooLarge = err(413, 'Content-Length too large for this server, 11 > max 10');
    expect(await node.post('/v2/apps', '{"name":1} ')).toMatchObject(tooLarge);
    expect(await node.post('/v2/apps', '{"name":1}')).toMatchObject(err(400, 'Invalid JSON'));
  });

  it('http-api 12: counts a body of unknown length as it arrives', async () => {
    const node = await start({ env: { FN_MAX_REQUEST_SIZE: '10' } });
    const body = new PassThrough();
    body.end('{"name":"0123456789"}');
    const response = await fetch(`${node.url}/v2/apps`, { method: 'POST', body, duplex: 'half' } as RequestInit);
    expect(response.status).toBe(413);
    expect(await response.text()).toContain('too large for this server');
  });

  it('http-api 13, 14: allows only web pages of known origins', async () => {
    const node = await start({ env: { FN_API_CORS_ORIGINS: 'http://a.com' } });
    const ask = (method: string, origin: string) => node.send(method, '/v2/apps', undefined, { origin });
    expect(await ask('GET', 'http://b.com')).toMatchObject({ status: 403, text: '' });
    const preflight = await ask('OPTIONS', 'http://a.com');
    expect(preflight).toMatchObject({ status: 200, text: '' });
    expect(preflight.headers.get('access-control-allow-methods')).toBe('GET,POST,PUT,PATCH,HEAD,DELETE,OPTIONS');
    expect(preflight.headers.get('access-control-max-age')).toBe('43200');
    expect(preflight.headers.get('access-control-allow-origin')).toBe('http://a.com');
    expect((await ask('GET', 'http://a.com')).headers.get('vary')).toBe('Origin');
  });

  it('http-api 15: allows all web pages', async () => {
    const node = await start({ env: { FN_API_CORS_ORIGINS: '*' } });
    const answer = await node.send('GET', '/v2/apps', undefined, { origin: 'http://a.com' });
    expect(answer.headers.get('access-control-allow-origin')).toBe('*');
  });

  it('http-api 16: an internal failure is 500 for the client, and its cause is logged', async () => {
    const stream = new PassThrough();
    const store = await openDatastore('sqlite3://:memory:');
    const broken: Datastore = {
      ...store,
      apps: { ...store.apps, list: () => Promise.reject(new Error('the disk is on fire')) },
    };
    const logger = createLogger({ level: 'info', format: 'text', stream });
    const node = await start({ datastore: broken, logger });

    expect(await node.get('/v2/apps')).toMatchObject(err(500, 'internal server error'));
    stream.end();
    expect(await textOf(stream)).toContain('the disk is on fire');
    await store.close();
  });

  it('http-api 17: finishes a request in flight, and then stops', async () => {
    const reached = new Deferred<void>();
    const release = new Deferred<void>();
    const hold = {
      async beforeCreate() {
        reached.resolve();
        await release.promise;
      },
    };
    const node = await start({ listeners: { app: [hold] } });
    const { url } = node;
    await node.get('/'); // leaves an idle connection behind
    const answer = node.post('/v2/apps', { name: 'a' });
    await reached.promise;

    const drained = node.server.drain({ graceMs: 10_000 });
    release.resolve();
    expect(await answer).toMatchObject({ status: 200, body: { name: 'a' } });
    expect(await drained).toBe('drained');
    await expect(fetch(url)).rejects.toThrow();
  });

  it('survives invalid HTTP, and reports what is wrong', async () => {
    const node = await start();
    const answer = await raw(node, 'HELLO\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(answer).toContain('{"message":"Bad request: ');
    expect((await node.get('/')).status).toBe(200);
  });

  it('answers 431 to a request head that is too large', async () => {
    const node = await start({ env: { FN_MAX_REQUEST_HEADER_SIZE: '1000' } });
    const answer = await raw(node, `GET / HTTP/1.1\r\nHost: a\r\nX-Long: ${'x'.repeat(2000)}\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 431 /);
  });

  it('http-api 107: accepts and discards reports of balancers of earlier releases', async () => {
    const node = await start();
    expect(await node.post('/v2/runner/finish', { call: { id: 'c' }, log: '' })).toMatchObject({ status: 204 });
    expect(await node.post('/v2/runner/finish', '{"call":')).toMatchObject(err(400, 'Invalid JSON'));
  });

  it('http-api 56: endpoints have the host of the request', async () => {
    const node = await start({ env: { FN_ALLOWED_HOSTS: 'fleet.example' } });
    const fnId = await node.fn(await node.app('a'), 'f');
    const body = await new Promise<string>((resolve, reject) => {
      const req = request(`${node.url}/v2/fns/${fnId}`, { headers: { Host: 'fleet.example:99' }, agent: false });
      req.on('response', (res) => textOf(res).then(resolve, reject)).on('error', reject);
      req.end();
    });
    expect(body).toContain(`"http://fleet.example:99/invoke/${fnId}"`);
  });

  it('calls its listeners around each change', async () => {
    const heard: string[] = [];
    const node = await start({
      listeners: {
        app: [
          {
            beforeCreate: (input) => {
              heard.push(`creating ${input.name}`);
              input.config = { ADDED: 'yes' };
            },
            afterCreate: (app) => void heard.push(`created ${app.name}`),
            beforeUpdate: (_id, change) => void heard.push(`changing ${Object.keys(change.config ?? {})}`),
            afterUpdate: (app) => void heard.push(`changed ${Object.keys(app.config)}`),
            beforeDelete: (id) => {
              heard.push(`deleting ${id.length}`);
              if (heard.length < 6) throw new FnError('appNameImmutable');
            },
            afterDelete: () => void heard.push('deleted'),
          },
        ],
      },
    });
    const id = await node.app('a');
    await node.put(`/v2/apps/${id}`, { config: { B: '1' } });
    expect(await node.delete(`/v2/apps/${id}`)).toMatchObject(err(409, 'Could not update - name is immutable'));
    expect((await node.delete(`/v2/apps/${id}`)).status).toBe(204);
    expect(heard).toEqual([
      'creating a',
      'created a',
      'changing B',
      'changed ADDED,B',
      'deleting 26',
      'deleting 26',
      'deleted',
    ]);
  });

  it('reports why it cannot start', async () => {
    const node = await start();
    const taken = newApiServer({
      settings: readSettings(apiSettings, { FN_DB_URL: 'sqlite3://:memory:' }),
      host: '127.0.0.1',
      port: node.server.address.port,
    });
    await expect(taken.ready).rejects.toThrow('EADDRINUSE');
    await taken.close();

    const nowhere = newApiServer({
      settings: readSettings(apiSettings, { FN_DB_URL: 'oracle://scott:tiger@db/fn' }),
      host: '127.0.0.1',
      port: 0,
    });
    await expect(nowhere.ready).rejects.toThrow(
      'no data store provider found for storage url oracle://scott:***@db/fn',
    );
    expect(await nowhere.drain({ graceMs: 0 })).toBe('drained');
  });
});

/** Sends bytes and returns all that comes back until the connection ends. */
async function raw(node: TestApi, bytes: string): Promise<string> {
  const socket = connect(node.server.address.port, '127.0.0.1');
  socket.write(bytes);
  const answer = await textOf(socket);
  socket.destroy();
  return answer;
}
