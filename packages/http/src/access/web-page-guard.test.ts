import { request } from 'node:http';
import { hostname, networkInterfaces } from 'node:os';
import { text as textOf } from 'node:stream/consumers';
import { HttpService } from '../http-service.js';
import { createNodeApp } from '../node-app.js';
import type { HttpSettings } from '../settings.js';
import { AccessGuard, type AccessOptions } from './access-guard.js';

const TOKEN = 'sesame-0123';
const EVIL = 'https://evil.example';

/** What a browser says of a request that a page on another site makes. */
const CROSS_SITE = { origin: EVIL, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' };

type Headers = Record<string, string>;

describe('web pages at a port', () => {
  let service: HttpService | undefined;

  afterEach(() => service?.close());

  const routes = [
    { method: 'POST', path: '/invoke', handle: () => undefined },
    { method: 'GET', path: '/invoke', handle: () => undefined },
    { method: 'POST', path: '/v2/apps', access: 'operator', handle: () => undefined },
    { method: 'GET', path: '/fleet', access: 'operator', handle: () => undefined },
  ] as const;

  async function serve(settings: Partial<HttpSettings> = {}, access: AccessOptions = {}, host = '127.0.0.1') {
    const done: string[] = [];
    const handle = (req: { method: string; url: string }, res: { end(): unknown }) => {
      done.push(`${req.method} ${req.url}`);
      res.end();
    };
    const handler = createNodeApp({
      routes: routes.map((route) => ({ ...route, handle })),
      settings,
      guard: new AccessGuard({ ...settings, ...access }),
    });
    service = new HttpService({ handler, host, port: 0 });
    await service.ready;
    const { port } = service.address;
    const ask = (method: string, path: string, headers: Headers = {}, to = '127.0.0.1') =>
      new Promise<number>((resolve, reject) => {
        const named = Object.fromEntries(Object.entries(headers).map(([k, v]) => [k, v.replace('PORT', String(port))]));
        request({ host: to, port, method, path, headers: named, agent: false }, (res) => {
          void textOf(res).then(() => resolve(res.statusCode ?? 0), reject);
        })
          .on('error', reject)
          .end(method === 'POST' ? '{"name":"a"}' : undefined);
      });
    return { ask, done };
  }

  it.each`
    what                                             | headers                                                                                                        | call   | operator
    ${'curl'}                                        | ${{ 'content-type': 'application/x-www-form-urlencoded' }}                                                     | ${200} | ${200}
    ${'the fn command line'}                         | ${{ 'content-type': 'application/json' }}                                                                      | ${200} | ${200}
    ${'a program that says it sends text'}           | ${{ 'content-type': 'text/plain', 'sec-fetch-mode': 'cors' }}                                                  | ${200} | ${200}
    ${'a form of another site'}                      | ${{ ...CROSS_SITE, 'content-type': 'text/plain', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }} | ${403} | ${403}
    ${'a script of another site'}                    | ${{ ...CROSS_SITE, 'content-type': 'text/plain' }}                                                             | ${403} | ${403}
    ${'a script in an older browser'}                | ${{ origin: EVIL, 'content-type': 'text/plain' }}                                                              | ${403} | ${403}
    ${'a page without origin (a file, a sandbox)'}   | ${{ origin: 'null' }}                                                                                          | ${403} | ${403}
    ${'a page at another port of this machine'}      | ${{ origin: 'http://127.0.0.1:3', 'sec-fetch-site': 'same-site' }}                                             | ${403} | ${403}
    ${'a page in an older browser, at another port'} | ${{ origin: 'http://127.0.0.1:3' }}                                                                            | ${403} | ${403}
    ${'a page of a name that begins like ours'}      | ${{ origin: 'http://127.0.0.1:PORT.evil.example' }}                                                            | ${403} | ${403}
    ${'a page of the node itself'}                   | ${{ origin: 'http://127.0.0.1:PORT', 'sec-fetch-site': 'same-origin' }}                                        | ${200} | ${200}
    ${'a page of the node, in an older browser'}     | ${{ origin: 'http://127.0.0.1:PORT' }}                                                                         | ${200} | ${200}
  `('POST from $what: a call $call, an operation $operator', async ({ headers, call, operator }) => {
    const { ask, done } = await serve();
    expect([await ask('POST', '/invoke', headers), await ask('POST', '/v2/apps', headers)]).toEqual([call, operator]);
    expect(done).toHaveLength([call, operator].filter((status) => status === 200).length);
  });

  it.each`
    what                               | headers                                                                                           | call   | operator
    ${'a picture in a page elsewhere'} | ${{ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }}     | ${403} | ${403}
    ${'a frame in a page elsewhere'}   | ${{ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' }}   | ${403} | ${403}
    ${'a link in a page elsewhere'}    | ${{ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }} | ${200} | ${200}
    ${'the address bar'}               | ${{ 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }}       | ${200} | ${200}
    ${'a picture in a page of here'}   | ${{ 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }}      | ${200} | ${403}
  `('GET from $what: a call $call, an operation $operator', async ({ headers, call, operator }) => {
    const { ask } = await serve();
    expect([await ask('GET', '/invoke', headers), await ask('GET', '/fleet', headers)]).toEqual([call, operator]);
  });

  it.each`
    host                             | status
    ${'127.0.0.1:PORT'}              | ${200}
    ${'localhost:PORT'}              | ${200}
    ${'LOCALHOST'}                   | ${200}
    ${'[::1]:PORT'}                  | ${200}
    ${'10.1.2.3:8080'}               | ${200}
    ${'lb:8080'}                     | ${200}
    ${'fn.localhost'}                | ${200}
    ${'lb.fleet.svc.cluster.local'}  | ${200}
    ${`${hostname()}:8080`}          | ${200}
    ${'fn.example'}                  | ${200}
    ${'Fn.Example.:80'}              | ${200}
    ${'a.b.wild.example'}            | ${200}
    ${'wild.example'}                | ${403}
    ${'evil.example:PORT'}           | ${403}
    ${'evil.fn.example'}             | ${403}
    ${'127.0.0.1.evil.example:PORT'} | ${403}
    ${'localhost.evil.example'}      | ${403}
    ${'evil.example@localhost'}      | ${403}
    ${'localhost/evil.example'}      | ${403}
    ${`${'a'.repeat(300)}`}          | ${403}
  `('DNS rebinding: Host $host is answered with $status', async ({ host, status }) => {
    const { ask } = await serve({ allowedHosts: ['fn.example', '*.wild.example'] });
    // To the browser such a page is of the same origin.
    for (const path of ['/invoke', '/fleet']) expect(await ask('GET', path, { host })).toBe(status);
    expect(await ask('POST', '/v2/apps', { host, origin: `http://${host}` })).toBe(status);
    expect(await ask('GET', '/healthz', { host })).toBe(200);
  });

  it('a refusal names the setting that allows the page or the name', async () => {
    const { ask } = await serve();
    const { url } = service?.address ?? {};
    const page = await fetch(`${url}/fleet`, { headers: { origin: EVIL } });
    expect(await page.json()).toEqual({
      message:
        'Web pages of https://evil.example are not allowed to do this; FN_API_CORS_ORIGINS lists the allowed origins',
    });
    expect(await ask('GET', '/fleet', { host: 'evil.example' })).toBe(403);
    expect(await ask('GET', '/fleet')).toBe(200);
  });

  it('only configured origins have operator rights', async () => {
    const { ask } = await serve({ corsOrigins: ['https://ui.example'] });
    const page = { ...CROSS_SITE, origin: 'https://ui.example' };
    expect([await ask('POST', '/invoke', page), await ask('POST', '/v2/apps', page)]).toEqual([200, 200]);
    expect([await ask('POST', '/invoke', CROSS_SITE), await ask('POST', '/v2/apps', CROSS_SITE)]).toEqual([403, 403]);
  });

  it('accepts any name if configured', async () => {
    const { ask } = await serve({ allowedHosts: ['*'] });
    expect(await ask('POST', '/v2/apps', { host: 'evil.example' })).toBe(200);
  });

  it('accepts any name with the operator token', async () => {
    const { ask } = await serve({}, { operatorToken: TOKEN });
    const authorization = `Bearer ${TOKEN}`;
    expect(await ask('GET', '/fleet', { host: 'api.fleet.example', authorization })).toBe(200);
    expect(await ask('GET', '/invoke', { host: 'api.fleet.example', authorization })).toBe(403);
    expect(await ask('POST', '/v2/apps', CROSS_SITE)).toBe(401);
  });

  it('a node that is reachable from other machines accepts calls from any page, but no operator requests', async () => {
    const { ask } = await serve({}, {}, '0.0.0.0');
    // Over loopback it is a developer's machine all the same.
    expect(await ask('POST', '/invoke', CROSS_SITE)).toBe(403);
    const addresses = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
    const outside = addresses.find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
    if (outside === undefined) return; // a machine without a network
    expect(await ask('POST', '/invoke', { ...CROSS_SITE, host: 'fn.example' }, outside)).toBe(200);
    expect(await ask('POST', '/v2/apps', CROSS_SITE, outside)).toBe(403);
    expect(await ask('POST', '/v2/apps', { host: 'evil.example' }, outside)).toBe(403);
  });

  it.each(['http://fn.example', 'fn.example:8080', '*.', '', 'a b'])('does not start with the name %j', (host) => {
    expect(() => new AccessGuard({ allowedHosts: [host] })).toThrow('FN_ALLOWED_HOSTS');
  });
});
