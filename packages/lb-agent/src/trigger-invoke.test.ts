import { PeerError, RecordedMetrics } from '@fnfleet/core';
import { FakeRunner } from '@fnfleet/placement';
import { type FleetOptions, TestFleet } from './test-kit/test-fleet.js';

const metrics = RecordedMetrics.install();

let runner: FakeRunner;
let fleet: TestFleet;

async function start(options: FleetOptions = {}): Promise<void> {
  fleet = await TestFleet.start([runner], options);
}

beforeEach(() => {
  metrics.reset();
  runner = new FakeRunner('r1').finishes({ body: 'x' });
});
afterEach(() => fleet.close());

const headersOf = (at = 0) => runner.offered[at]?.model.headers;

describe('what the function receives', () => {
  it('http-api 93: the request, in headers that a client cannot forge', async () => {
    await start();
    await fleet.send('/t/shop/hot?x=1', {
      method: 'PUT',
      headers: { 'X-A': '1', 'Content-Type': 't/p', 'Fn-Intent': 'mine', 'x-two': ['a', 'b'] },
      body: 'in',
    });

    expect(headersOf()).toMatchObject({
      'Fn-Http-Method': ['PUT'],
      'Fn-Http-Request-Url': [`${fleet.url}/t/shop/hot?x=1`],
      'Fn-Intent': ['httprequest'],
      'Fn-Http-H-X-A': ['1'],
      'Fn-Http-H-Fn-Intent': ['mine'],
      'Fn-Http-H-X-Two': ['a', 'b'],
      'Fn-Http-H-Content-Length': ['2'],
      'Content-Type': ['t/p'],
    });
    expect(headersOf()).not.toHaveProperty('Fn-Http-H-Host');
    expect(runner.offered[0]?.model).toMatchObject({ triggerId: 'trigger1', fnId: 'fn1', method: 'PUT' });
    expect(runner.bodies).toEqual([Buffer.from('in')]);
  });

  it('http-api 94: no hop-by-hop headers of the client', async () => {
    await start();
    const { port } = fleet.server.address;
    const answer = await fleet.raw(
      `GET /t/shop/hot HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\nKeep-Alive: 5\r\n` +
        'Proxy-Connection: x\r\nProxy-Authorization: x\r\nTrailer: x\r\nTE: gzip\r\nX-Stays: 1\r\n\r\n',
    );
    expect(answer).toMatch(/^HTTP\/1.1 200 /);
    expect(Object.keys(headersOf() ?? {}).sort()).toEqual([
      'Fn-Http-H-X-Stays',
      'Fn-Http-Method',
      'Fn-Http-Request-Url',
      'Fn-Intent',
    ]);
  });

  it('the Te header if its value is exactly trailers', async () => {
    await start();
    await fleet.raw('GET /t/shop/hot HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTE: trailers\r\n\r\n');
    expect(headersOf()).toMatchObject({ 'Fn-Http-H-Te': ['trailers'], 'Fn-Http-Request-Url': ['http://h/t/shop/hot'] });
  });

  it('a request target in absolute form, as proxies send it, is treated like its path', async () => {
    await start();
    const { url } = fleet;
    await fleet.raw(`GET ${url}/t/shop/hot?x=1 HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n`);
    await fleet.raw(`POST ${url}/invoke/fn1 HTTP/1.1\r\nHost: other\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    expect(runner.offered.map(({ model }) => model.url)).toEqual([`${url}/t/shop/hot?x=1`, `${url}/invoke/fn1`]);
  });

  it('http-api 99: a trigger is never detached', async () => {
    await start();
    expect(await fleet.send('/t/shop/hot', { headers: { 'Fn-Invoke-Type': 'detached' } })).toMatchObject({ body: 'x' });
    expect(runner.offered[0]?.model.type).toBe('sync');
    expect(headersOf()).toMatchObject({ 'Fn-Http-H-Fn-Invoke-Type': ['detached'] });
  });

  it.each(['GET', 'POST', 'PUT', 'PATCH', 'HEAD', 'OPTIONS', 'DELETE', 'TRACE'])(
    'http-api 101: a trigger serves %s',
    async (method) => {
      await start();
      const answer = await fleet.send('/t/shop/hot', { method });
      expect(answer).toMatchObject({ status: 200, body: method === 'HEAD' ? '' : 'x' });
      expect(answer.headers['content-length']).toBe(method === 'HEAD' ? undefined : '1');
      expect(headersOf()).toMatchObject({ 'Fn-Http-Method': [method] });
    },
  );

  it('a method that triggers do not serve is rejected', async () => {
    await start();
    expect(await fleet.send('/t/shop/hot', { method: 'PROPFIND' })).toMatchObject({
      status: 405,
      body: '{"message":"Method not allowed: PROPFIND /t/shop/hot"}\n',
    });
  });
});

describe('what the client receives', () => {
  it('http-api 95: the status and headers that the function set, and no others', async () => {
    runner = new FakeRunner('r1').finishes({
      headers: [
        ['Fn-Http-Status', '202'],
        ['fn-http-h-r', 'a'],
        ['Fn-Http-H-R', 'b'],
        ['Fn-Http-H-', 'nameless'],
        ['Fn-Http-H-Transfer-Encoding', 'chunked'],
        ['Foo', 'c'],
        ['Fn-Fdk-Version', 'd'],
        ['Content-Type', 'text/plain'],
      ],
      body: 'x',
    });
    await start();

    const { status, headers } = await fleet.send('/t/shop/hot');

    expect(status).toBe(202);
    expect(Object.keys(headers).sort()).toEqual(
      ['connection', 'content-length', 'content-type', 'date', 'fn-call-id', 'keep-alive', 'r'].filter(
        (name) => name in headers,
      ),
    );
    expect(headers).toMatchObject({ r: ['a', 'b'], 'content-length': '1', 'content-type': 'text/plain' });
    expect(headers['fn-call-id']).toBeDefined();
  });

  it.each`
    chosen       | status
    ${undefined} | ${200}
    ${'404'}     | ${404}
    ${'soon'}    | ${200}
    ${'0'}       | ${200}
    ${'101'}     | ${200}
    ${'1000'}    | ${200}
  `('http-api 96: Fn-Http-Status $chosen is $status', async ({ chosen, status }) => {
    runner = new FakeRunner('r1').finishes({ headers: chosen ? [['Fn-Http-Status', chosen]] : [], body: 'x' });
    await start();
    expect(await fleet.send('/t/shop/hot')).toMatchObject({ status, body: 'x' });
  });

  it('a response without a body has none, and its connection can be reused', async () => {
    runner = new FakeRunner('r1')
      .finishes({ headers: [['Fn-Http-Status', '204']], body: 'not allowed' })
      .finishes({ headers: [['Fn-Http-Status', '304']] })
      .finishes({ body: 'x' });
    await start();
    for (const expected of [
      { status: 204, body: '' },
      { status: 304, body: '' },
      { status: 200, body: 'x' },
    ]) {
      expect(await fleet.send('/t/shop/hot', { method: 'GET' })).toMatchObject(expected);
    }
  });

  it('http-api 100: the function cannot set the message of its failure', async () => {
    runner = new FakeRunner('r1').does(async (call) => {
      call.response.writeHead(200, [['Fn-Http-Status', '201']]);
      return { kind: 'failed', blame: 'function', error: new PeerError(502, 'function failed', 'function') };
    });
    await start();
    const answer = await fleet.send('/t/shop/hot');
    expect(answer).toMatchObject({ status: 502, body: '{"message":"function failed"}\n' });
    expect(answer.headers['fn-call-id']).toBeDefined();
    expect(metrics.sum('api/response_count', { path: '/t/:app_name', status: 502, blame: 'user' })).toBe(1);
  });
});

describe('which trigger', () => {
  it.each`
    path                  | status | message
    ${'/t/nope/hot'}      | ${404} | ${'App not found'}
    ${'/t/shop/nope'}     | ${404} | ${'Trigger not found'}
    ${'/t/shop/hot/more'} | ${404} | ${'Trigger not found'}
    ${'/t/shop/hot/'}     | ${404} | ${'Trigger not found'}
    ${'/t/shop//hot'}     | ${404} | ${'Trigger not found'}
    ${'/t/'}              | ${404} | ${'Path not found: POST /t/'}
    ${'/t'}               | ${404} | ${'Path not found: POST /t'}
  `('http-api 97: $path is $message', async ({ path, status, message }) => {
    await start();
    expect(await fleet.send(path)).toMatchObject({ status, body: `${JSON.stringify({ message })}\n` });
  });

  it.each`
    path                   | trigger
    ${'/t/shop'}           | ${'trigger2'}
    ${'/t/shop/'}          | ${'trigger2'}
    ${'/t/shop?x=/y'}      | ${'trigger2'}
    ${'/t/shop/%68ot'}     | ${'trigger1'}
    ${'/t/shop/a%2Fb%20c'} | ${'trigger3'}
  `('http-api 98: $path is $trigger', async ({ path, trigger }) => {
    await start();
    expect(await fleet.send(path, { method: 'GET' })).toMatchObject({ status: 200 });
    expect(runner.offered[0]?.model.triggerId).toBe(trigger);
  });

  it('http-api 106: queries the API node with both slashes', async () => {
    await start();
    await fleet.send('/t/shop/hot');
    expect(fleet.api.requests).toEqual([
      'GET /v2/apps?name=shop',
      'GET /v2/runner/apps/app1/triggerBySource/http//hot',
      'GET /v2/fns/fn1',
      'GET /v2/apps/app1',
    ]);
  });
});
