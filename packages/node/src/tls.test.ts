// takes: 3 s
import { request as plainRequest } from 'node:http';
import { request as secureRequest } from 'node:https';
import path from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { readSettings, silentLogger } from '@fnfleet/core';
import { httpSettings } from '@fnfleet/http';
import { newGrpcRunner } from '@fnfleet/placement';
import { TestCertificates, type Visitor } from '@fnfleet/testing';
import { commonSettings } from './common-settings.js';
import type { RunningRole } from './role.js';
import { roleSecurity } from './role-security.js';
import { ROLES } from './roles.js';

const ROLE_ENV = {
  api: {},
  lb: { FN_RUNNER_API_URL: 'https://127.0.0.1:1', FN_RUNNER_ADDRESSES: '127.0.0.1:1' },
  full: { FN_DRIVER: 'process' },
  'pure-runner': { FN_DRIVER: 'process', FN_GRPC_PORT: '0' },
} as const;
type RoleName = keyof typeof ROLE_ENV;

const TOKEN = 'sesame';
const REFUSED = /the runner may reject our certificate/;

describe('a port with TLS', () => {
  let certificates: TestCertificates;
  let running: RunningRole | undefined;
  let stopSecurity: (() => void) | undefined;

  beforeEach(() => {
    certificates = new TestCertificates();
  });

  afterEach(async () => {
    await running?.service.close();
    stopSecurity?.();
    certificates.remove();
  });

  async function start(name: RoleName, more: Record<string, string> = {}): Promise<Readonly<Record<string, string>>> {
    const env = {
      ...certificates.env(name),
      FN_BIND_ADDRESS: '127.0.0.1',
      FN_PORT: '0',
      FN_DB_URL: `sqlite3://${path.join(certificates.folder, 'fn.db')}`,
      FN_PROCESS_FUNCTIONS: certificates.folder,
      FN_TLS_ALLOWED_NAMES: 'member,operator',
      ...ROLE_ENV[name],
      ...more,
    };
    const security = roleSecurity(readSettings({ ...commonSettings, ...httpSettings }, env), silentLogger);
    stopSecurity = security.close;
    const metrics = (_req: unknown, res: { end(text: string): unknown }) => void res.end('metrics');
    running = ROLES[name].start(env, { logger: silentLogger, metrics, security, readiness: () => 'ready' });
    await running.service.ready;
    return running.addresses();
  }

  /** @returns the status, or why there is none */
  function get(url: string, path: string, visitor: Visitor | 'plain text', token?: string): Promise<number | string> {
    const { hostname, port } = new URL(url);
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const options = { hostname, port, path, agent: false, headers };
    const ca = certificates.authority;
    const shown =
      visitor === 'no certificate' || visitor === 'plain text' ? { ca } : certificates.identity(visitor).material;
    return new Promise((resolve) => {
      const onResponse = (response: import('node:http').IncomingMessage) =>
        void textOf(response).then((text) => {
          if ((response.statusCode ?? 0) >= 400) expect(JSON.parse(text)).toEqual({ message: expect.any(String) });
          resolve(response.statusCode ?? 0);
        });
      const sent =
        visitor === 'plain text'
          ? plainRequest(options, onResponse)
          : secureRequest({ ...options, ...shown }, onResponse);
      sent.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
      sent.end();
    });
  }

  const OPERATORS_PATH = { api: '/v2/apps', lb: '/fleet', full: '/v2/apps', 'pure-runner': '/metrics' };

  describe.each(Object.keys(ROLE_ENV) as RoleName[])('%s over HTTP', (role) => {
    it.each([
      ['member', 200],
      ['no certificate', 401],
      ['another CA', 403],
      ['an expired one', 403],
      ['another name', 403],
      ['plain text', 'ECONNRESET'],
    ] as const)('answers %s with %s', async (visitor, answer) => {
      const { http = '' } = await start(role);
      for (const path of ['/version', OPERATORS_PATH[role]]) expect(await get(http, path, visitor)).toBe(answer);
      if (visitor !== 'member') expect(await get(http, '/nowhere', visitor)).toBe(answer);
      // A health check shows nothing.
      if (visitor !== 'plain text') expect(await get(http, '/healthz', visitor)).toBe(200);
    });
  });

  describe('a public front door', () => {
    it.each`
      path                | visitor             | token        | status
      ${'/version'}       | ${'no certificate'} | ${undefined} | ${200}
      ${'/t/app/nothing'} | ${'no certificate'} | ${undefined} | ${404}
      ${'/t/app/nothing'} | ${'another CA'}     | ${undefined} | ${403}
      ${'/t/app/nothing'} | ${'an expired one'} | ${undefined} | ${403}
      ${'/t/app/nothing'} | ${'another name'}   | ${TOKEN}     | ${403}
      ${'/v2/apps'}       | ${'no certificate'} | ${undefined} | ${401}
      ${'/v2/apps'}       | ${'no certificate'} | ${'wrong'}   | ${403}
      ${'/v2/apps'}       | ${'no certificate'} | ${TOKEN}     | ${200}
      ${'/v2/apps'}       | ${'another name'}   | ${TOKEN}     | ${403}
      ${'/metrics'}       | ${'no certificate'} | ${undefined} | ${401}
      ${'/metrics'}       | ${'member'}         | ${undefined} | ${200}
    `('answers $path for $visitor and token $token with $status', async ({ path, visitor, token, status }) => {
      const { http = '' } = await start('full', { FN_HTTP_CLIENT_CERTS: 'optional', FN_OPERATOR_TOKEN: TOKEN });
      expect(await get(http, path, visitor, token)).toBe(status);
    });

    it('requires a certificate if it is not public, regardless of the token', async () => {
      const { http = '' } = await start('full', { FN_OPERATOR_TOKEN: TOKEN });
      expect(await get(http, '/t/app/nothing', 'no certificate', TOKEN)).toBe(401);
    });
  });

  describe('a runner over gRPC', () => {
    async function status(visitor: Visitor | 'plain text'): Promise<string> {
      const { grpc = '' } = await start('pure-runner');
      const tls =
        visitor === 'plain text' || visitor === 'no certificate'
          ? undefined
          : { identity: certificates.identity(visitor) };
      const runner = newGrpcRunner(grpc, { tls, connectTimeoutMs: 10_000 });
      return runner
        .status()
        .then(
          () => 'answered',
          (error: Error) => error.message,
        )
        .finally(() => runner.close());
    }

    it.each([
      ['member', /^answered$/],
      ['another CA', REFUSED],
      ['an expired one', REFUSED],
      ['another name', REFUSED],
      ['plain text', /gRPC status 14/],
    ] as const)('tells a balancer with %s: %s', async (visitor, answer) => {
      const told = await status(visitor);
      expect(told).toMatch(answer);
      if (visitor !== 'member') expect(told).not.toBe('answered');
    });

    it('refuses clients without a certificate', async () => {
      const { grpc = '' } = await start('pure-runner');
      const answer = await get(`https://${grpc}`, '/', 'no certificate');
      expect(answer).not.toEqual(expect.any(Number));
    });
  });
});
