import { request } from 'node:https';
import { text as textOf } from 'node:stream/consumers';
import { later, systemClock } from '@fnfleet/core';
import {
  type CertifiedKey,
  fixedIdentity,
  issueCertificate,
  newAuthority,
  parseAltName,
  type TlsIdentity,
} from '@fnfleet/tls';
import { HttpService } from '../http-service.js';
import { createNodeApp } from '../node-app.js';
import { AccessGuard, type AccessOptions } from './access-guard.js';

const TOKEN = 'sesame-0123';

describe('a port in plain text', () => {
  let service: HttpService | undefined;

  afterEach(() => service?.close());

  async function serve(options: AccessOptions) {
    const routes = [
      { method: 'GET', path: '/call', handle: () => undefined },
      { method: 'GET', path: '/fleet', access: 'operator', handle: () => undefined },
    ] as const;
    const answered = routes.map((route) => ({
      ...route,
      handle: (_req: unknown, res: { end(): unknown }) => void res.end(),
    }));
    const handler = createNodeApp({
      routes: answered,
      metrics: (_req, res) => void res.end(),
      guard: new AccessGuard(options),
    });
    service = new HttpService({ handler, host: '127.0.0.1', port: 0 });
    await service.ready;
    const { url } = service.address;
    return async (path: string, authorization?: string) => {
      const response = await fetch(url + path, { headers: authorization === undefined ? {} : { authorization } });
      return { status: response.status, text: await response.text() };
    };
  }

  it.each`
    path          | authorization                 | status
    ${'/healthz'} | ${undefined}                  | ${200}
    ${'/readyz'}  | ${'Bearer wrong'}             | ${200}
    ${'/'}        | ${undefined}                  | ${200}
    ${'/call'}    | ${undefined}                  | ${200}
    ${'/fleet'}   | ${undefined}                  | ${401}
    ${'/metrics'} | ${undefined}                  | ${401}
    ${'/metrics'} | ${`Basic ${TOKEN}`}           | ${401}
    ${'/metrics'} | ${'Bearer wrong'}             | ${403}
    ${'/metrics'} | ${`Bearer ${TOKEN}x`}         | ${403}
    ${'/metrics'} | ${`Bearer ${TOKEN} ${TOKEN}`} | ${401}
    ${'/metrics'} | ${`Bearer ${TOKEN}`}          | ${200}
    ${'/fleet'}   | ${`bearer ${TOKEN}`}          | ${200}
  `(
    'with an operator token, $path with "$authorization" is answered $status',
    async ({ path, authorization, status }) => {
      const answer = await (await serve({ operatorToken: TOKEN }))(path, authorization);
      expect(answer.status).toBe(status);
      if (status >= 400) expect(JSON.parse(answer.text)).toEqual({ message: expect.stringContaining('operator') });
    },
  );

  it.each(['/healthz', '/call', '/fleet', '/metrics'])('without one, everybody may request %s', async (path) => {
    expect((await (await serve({}))(path)).status).toBe(200);
  });
});

describe('a port with TLS', () => {
  const DAY_MS = 86_400_000;
  const fleet = newAuthority({ commonName: 'fleet CA', days: 3650, nowMs: systemClock.wallNow() });
  const foreign = newAuthority({ commonName: 'foreign CA', days: 3650, nowMs: systemClock.wallNow() });
  let service: HttpService | undefined;

  afterEach(() => service?.close());

  function identity(authority: CertifiedKey, name: string, nowMs = systemClock.wallNow()): TlsIdentity {
    const altNames = [name, '127.0.0.1'].map(parseAltName);
    return fixedIdentity({
      ...issueCertificate(authority, { commonName: name, altNames, days: 1, nowMs }),
      ca: fleet.cert,
    });
  }

  const VISITORS = {
    nobody: undefined,
    member: identity(fleet, 'member'),
    'another CA': identity(foreign, 'member'),
    expired: identity(fleet, 'member', later(systemClock.wallNow(), -2 * DAY_MS)),
    'another name': identity(fleet, 'stranger'),
  } as const;
  type Visitor = keyof typeof VISITORS;

  async function serve(options: AccessOptions) {
    const answer = (_req: unknown, res: { end(): unknown }) => void res.end();
    const routes = [
      { method: 'GET', path: '/call', handle: answer },
      { method: 'POST', path: '/fleet', access: 'operator', handle: answer },
    ] as const;
    const handler = createNodeApp({ routes, guard: new AccessGuard({ allowedNames: ['member'], ...options }) });
    service = new HttpService({ handler, host: '127.0.0.1', port: 0, tls: identity(fleet, 'node') });
    await service.ready;
    const { port } = service.address;
    return (visitor: Visitor, path: string, headers: Record<string, string> = {}) =>
      new Promise<number>((resolve, reject) => {
        const shown = VISITORS[visitor]?.material ?? { ca: fleet.cert };
        const method = path === '/fleet' ? 'POST' : 'GET';
        request(
          {
            host: '127.0.0.1',
            port,
            method,
            path,
            headers,
            agent: false,
            checkServerIdentity: () => undefined,
            ...shown,
          },
          (res) => {
            void textOf(res).then(() => resolve(res.statusCode ?? 0), reject);
          },
        )
          .on('error', reject)
          .end();
      });
  }

  describe.each(['required', 'optional'] as const)('with %s certificates of callers', (clientCerts) => {
    const anonymous = clientCerts === 'required' ? 401 : 200;

    it.each`
      visitor           | token             | call         | operation
      ${'member'}       | ${undefined}      | ${200}       | ${200}
      ${'member'}       | ${'Bearer wrong'} | ${200}       | ${200}
      ${'nobody'}       | ${undefined}      | ${anonymous} | ${401}
      ${'nobody'}       | ${'Bearer wrong'} | ${anonymous} | ${403}
      ${'another CA'}   | ${undefined}      | ${403}       | ${403}
      ${'expired'}      | ${undefined}      | ${403}       | ${403}
      ${'another name'} | ${undefined}      | ${403}       | ${403}
    `(
      'without an operator token, $visitor with $token: a call $call, an operation $operation',
      async ({ visitor, token, call, operation }) => {
        const ask = await serve({ clientCerts });
        const headers: Record<string, string> = token === undefined ? {} : { authorization: token };
        expect(await ask(visitor, '/call', headers)).toBe(call);
        expect(await ask(visitor, '/fleet', headers)).toBe(operation);
        expect(await ask(visitor, '/healthz', headers)).toBe(200);
      },
    );

    it('the operator token replaces a missing certificate, but not a refused one', async () => {
      const ask = await serve({ clientCerts, operatorToken: TOKEN });
      const headers = { authorization: `Bearer ${TOKEN}` };
      expect(await ask('nobody', '/fleet', headers)).toBe(200);
      expect(await ask('nobody', '/call', headers)).toBe(anonymous);
      for (const visitor of ['another CA', 'expired', 'another name'] as const) {
        for (const path of ['/fleet', '/call', '/nowhere']) expect(await ask(visitor, path, headers)).toBe(403);
      }
    });

    it('a page in the browser of a user with a certificate has no operator rights', async () => {
      const ask = await serve({ clientCerts });
      const page = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
      expect(await ask('member', '/fleet', page)).toBe(403);
      // The name is what the certificate of the node is for; whoever has it is no stranger.
      expect(await ask('member', '/fleet', { host: 'api.fleet.example' })).toBe(200);
    });
  });
});
