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

  it.each(['/healthz', '/call', '/fleet', '/metrics'])('without one, anybody may ask for %s', async (path) => {
    expect((await (await serve({}))(path)).status).toBe(200);
  });
});
