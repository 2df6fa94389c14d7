import { PassThrough } from 'node:stream';
import { text as textOf } from 'node:stream/consumers';
import { createLogger, FnError, RecordedMetrics } from '@fnfleet/core';
import { HttpService } from './http-service.js';
import { createNodeApp, type NodeAppOptions } from './node-app.js';
import type { Readiness, Route } from './routes.js';

// Instruments stay with the provider that was there when they were first used.
const metrics = RecordedMetrics.install();

const echo: Route[] = [
  { method: 'GET', path: '/things/:id', handle: (req, res) => void res.json(req.params) },
  { method: 'GET', path: '/deep/*rest', handle: (req, res) => void res.json([req.params.rest].flat().join('/')) },
  { method: 'POST', path: '/things', handle: () => Promise.reject(new Error('the disk is on fire')) },
  {
    method: 'PUT',
    path: '/things',
    handle: () => {
      throw new FnError('serverBusy');
    },
  },
];

describe('a node app', () => {
  let service: HttpService | undefined;

  afterEach(() => service?.close());

  async function serve(options: Partial<NodeAppOptions> = {}) {
    service = new HttpService({ handler: createNodeApp({ routes: echo, ...options }), host: '127.0.0.1', port: 0 });
    await service.ready;
    const { url } = service.address;
    return async (method: string, path: string, headers?: Record<string, string>) => {
      const response = await fetch(url + path, { method, headers, redirect: 'manual' });
      return { status: response.status, headers: response.headers, text: await response.text() };
    };
  }

  it.each([
    ['GET', '/things/a%20b', 200, '{"id":"a b"}'],
    ['GET', '/things/50%25', 200, '{"id":"50%"}'],
    ['GET', '/deep//x', 200, '"/x"'],
    ['GET', '/deep/a//b/', 200, '"a//b/"'],
    ['GET', '/deep/a%2Fb', 200, '"a/b"'],
    ['GET', '/things/a%2Fb', 404, '{"message":"Path not found: GET /things/a/b"}\n'],
    ['GET', '/Things/a', 404, '{"message":"Path not found: GET /Things/a"}\n'],
    ['GET', '//things/a', 404, '{"message":"Path not found: GET //things/a"}\n'],
    ['GET', '/no%20where?x=1', 404, '{"message":"Path not found: GET /no where"}\n'],
    ['DELETE', '/things/a', 405, '{"message":"Method not allowed: DELETE /things/a"}\n'],
    ['OPTIONS', '/things/a', 405, '{"message":"Method not allowed: OPTIONS /things/a"}\n'],
    ['GET', '/things/a/?x=%20', 301, ''],
    ['DELETE', '/things/a/', 404, '{"message":"Path not found: DELETE /things/a/"}\n'],
    ['GET', '/%zz', 400, '{"message":"Bad request: the path is not well encoded"}\n'],
    ['GET', '/metrics', 404, '{"message":"Path not found: GET /metrics"}\n'],
  ])('routes %s %s exactly', async (method, path, status, text) => {
    const answer = await (await serve())(method, path);
    expect(answer).toMatchObject({ status, text });
    if (status === 301) expect(answer.headers.get('location')).toBe('/things/a?x=%20');
  });

  it('reports whether it is alive and ready', async () => {
    let readiness: Readiness = { state: 'starting' };
    const send = await serve({ readiness: () => readiness });
    expect(await send('GET', '/readyz')).toMatchObject({ status: 503, text: '{"status":"starting"}' });
    readiness = { state: 'ready' };
    expect(await send('GET', '/readyz')).toMatchObject({ status: 200, text: '{"status":"ready"}' });
    readiness = { state: 'ready', degraded: 'no engine' };
    expect(await send('GET', '/readyz')).toMatchObject({
      status: 200,
      text: '{"status":"ready","degraded":"no engine"}',
    });
    readiness = { state: 'draining' };
    expect(await send('GET', '/readyz')).toMatchObject({ status: 503, text: '{"status":"draining"}' });
    expect(await send('GET', '/healthz')).toMatchObject({ status: 200, text: '{"status":"ok"}' });
  });

  it('http-api 112: every error is JSON with one newline', async () => {
    const send = await serve();
    for (const [method, path] of [
      ['GET', '/nope'],
      ['POST', '/things'],
      ['DELETE', '/'],
    ] as const) {
      const answer = await send(method, path);
      expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
      expect(answer.text).toMatch(/^\{"message":".+"\}\n$/);
    }
  });

  it('http-api 16: logs the cause of a failure that the client must not see', async () => {
    const stream = new PassThrough();
    const send = await serve({ logger: createLogger({ level: 'info', format: 'text', stream }) });
    expect(await send('POST', '/things')).toMatchObject({ status: 500, text: '{"message":"internal server error"}\n' });
    stream.end();
    const log = await textOf(stream);
    expect(log).toContain('the disk is on fire');
    expect(log).toContain('route=/things');
  });

  it('logs the details of a failure that only operators may see', async () => {
    const stream = new PassThrough();
    const handle = () => Promise.reject(new FnError('functionResponse', { detail: 'exit code 9' }));
    const logger = createLogger({ level: 'info', format: 'text', stream });
    const answer = await (await serve({ logger, routes: [{ method: 'GET', path: '/dies', handle }] }))('GET', '/dies');
    expect([answer.status, answer.text]).toEqual([502, '{"message":"error receiving function response"}\n']);
    stream.end();
    expect(await textOf(stream)).toMatch(/detail="?exit code 9/);
  });

  it('http-api 80: tells a client when to retry', async () => {
    const answer = await (await serve())('PUT', '/things');
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('15');
  });

  it('tells a client that exceeds a limit when to retry, if that was computed', async () => {
    const overShare = { method: 'GET', path: '/over' } as const;
    const handle = () => Promise.reject(new FnError('appOverShare', { retryAfterSeconds: 3.2 }));
    const answer = await (await serve({ routes: [{ ...overShare, handle }] }))('GET', '/over');
    expect(answer.status).toBe(429);
    expect(answer.headers.get('retry-after')).toBe('4');
  });

  it('http-api 3: counts requests by route, never by path', async () => {
    const send = await serve();
    metrics.reset();
    await send('GET', '/things/secret');
    await send('GET', '/elsewhere/secret');
    await send('DELETE', '/things/secret');
    await service?.close();

    for (const [path, method, status] of [
      ['/things/:id', 'GET', 200],
      ['invalid', 'GET', 404],
      ['/things/:id', 'DELETE', 405],
    ] as const) {
      expect(metrics.sum('api/request_count', { path, method })).toBe(1);
      expect(metrics.sum('api/response_count', { path, method, status, blame: 'service' })).toBe(1);
      expect(metrics.values('api/latency', { path, method, status })).toHaveLength(1);
    }
    expect(metrics.sum('api/request_count')).toBe(3);
  });

  it('lets middleware around every route answer instead', async () => {
    const send = await serve({ middleware: [(_req, res) => void res.status(418).end()] });
    expect((await send('GET', '/things/a')).status).toBe(418);
    expect((await send('GET', '/nowhere')).status).toBe(418);
  });
});
