import { sendEmpty } from './answers.js';
import { newCorsPolicy } from './cors.js';
import { HttpService } from './http-service.js';

describe('CORS', () => {
  async function ask(origins: string[], headers: string[], method: string, from?: string | ((own: string) => string)) {
    const policy = newCorsPolicy(origins, headers);
    const service = new HttpService({
      handler: (req, res) => policy(req, res) || sendEmpty(res, 204),
      host: '127.0.0.1',
      port: 0,
    });
    await service.ready;
    const origin = typeof from === 'function' ? from(service.address.url) : from;
    const response = await fetch(service.address.url, { method, headers: origin ? { origin } : {} });
    await service.close();
    const shown = [...response.headers].filter(([name]) => name.startsWith('access-control-') || name === 'vary');
    return { status: response.status, headers: Object.fromEntries(shown) };
  }

  it('is off without origins', async () => {
    expect(await ask([], [], 'OPTIONS', 'http://a.com')).toEqual({ status: 204, headers: {} });
  });

  it('ignores requests that do not come from a web page', async () => {
    expect(await ask(['http://a.com'], [], 'GET')).toEqual({ status: 204, headers: {} });
  });

  it('http-api 13: rejects other origins', async () => {
    expect(await ask(['http://a.com'], [], 'GET', 'http://b.com')).toEqual({ status: 403, headers: {} });
    expect(await ask(['http://a.com'], [], 'OPTIONS', 'http://b.com')).toEqual({ status: 403, headers: {} });
  });

  it('http-api 14: answers the preflight of a known origin', async () => {
    expect(await ask(['HTTP://A.com', 'https://b.com'], ['x-one', 'two'], 'OPTIONS', 'http://a.com')).toEqual({
      status: 200,
      headers: {
        'access-control-allow-methods': 'GET,POST,PUT,PATCH,HEAD,DELETE,OPTIONS',
        'access-control-allow-headers': 'X-One,Two',
        'access-control-max-age': '43200',
        'access-control-allow-origin': 'http://a.com',
        vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
      },
    });
  });

  it('http-api 15: * as the first item allows every origin', async () => {
    expect(await ask(['*', 'http://a.com'], [], 'GET', 'http://b.com')).toEqual({
      status: 204,
      headers: { 'access-control-allow-origin': '*' },
    });
  });

  it.each(['GET', 'POST', 'OPTIONS'])('allows a %s from a page of this node', async (method) => {
    expect(await ask(['http://a.com'], [], method, (own) => own)).toEqual({ status: 204, headers: {} });
  });

  it.each(['null', 'http://127.0.0.1', 'http://127.0.0.1:1', 'x'])(
    'the origin %s is not that of this node',
    async (origin) => {
      expect(await ask(['http://a.com'], [], 'POST', origin)).toEqual({ status: 403, headers: {} });
    },
  );

  it('refuses to start with an invalid origin', () => {
    expect(() => newCorsPolicy(['a.com'], [])).toThrow('FN_API_CORS_ORIGINS: expected http:// or https:// origins');
  });
});
