import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { RunnerLine } from '@fnfleet/operator-api';
import type { AskedBalancer } from './balancers.js';
import { callsInHand, type DrainDeps, drainRunner, undrainRunner } from './drain-runner.js';
import { readingUrlOf } from './find-runner.js';

/** What was asked of the runner's HTTP port, and of the balancer. */
const asked: string[] = [];
let answer: { status: number; body: object };
/** What a balancer answers that is to tell a runner; those of before know no such path. */
let throughBalancer: number;
let server: Server;
let port: number;

beforeEach(async () => {
  asked.length = 0;
  answer = { status: 200, body: { in_hand: 2, state: 'draining', cordons: [] } };
  throughBalancer = 404;
  server = createServer((req, res) => {
    if (req.url?.startsWith('/fleet/runners/')) {
      return void res.writeHead(throughBalancer).end(JSON.stringify(answer.body));
    }
    asked.push(`${req.method} ${req.url}`);
    res.writeHead(req.url?.startsWith('/fleet') ? 200 : answer.status).end(JSON.stringify(answer.body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const line = (address: string, more: Partial<RunnerLine> = {}): RunnerLine => ({
  address,
  state: 'ok',
  in_flight: 1,
  warm_functions: 0,
  ...more,
});
const OPTIONS = { cordon: false, force: false };

function deps(runners: readonly RunnerLine[], more: readonly AskedBalancer[] = [], cordons: string[] = []): DrainDeps {
  const balancers = async () => [{ url: `http://127.0.0.1:${port}`, fleet: { runners, cordons } }, ...more];
  return { balancers, fetch, runnerFetch: fetch, secure: false };
}

it('drains a runner through a balancer that reaches it, and undrains it the same way', async () => {
  throughBalancer = 200;
  const having = deps([line('127.0.0.1:9190', { http_port: 1, in_flight: 3 }), line('b:1')]);
  const drained = await drainRunner('127.0.0.1:9190', OPTIONS, having);
  expect(drained).toEqual({
    runner: '127.0.0.1:9190',
    way: 'through balancer',
    at: [`http://127.0.0.1:${port}`],
    inHand: 2,
  });
  expect(await callsInHand(drained, having)).toBe(3);
  expect(await undrainRunner('127.0.0.1:9190', having)).toMatchObject({ state: 'draining' });
  expect(asked).toEqual([]);
});

it('drains the runner at the host of its address and the port that it reports', async () => {
  const having = deps([line('127.0.0.1:9190', { http_port: port }), line('b:1')]);
  const drained = await drainRunner('127.0.0.1:9190', OPTIONS, having);
  expect(drained).toMatchObject({ way: 'runner', at: [`http://127.0.0.1:${port}`], inHand: 2 });
  expect(await callsInHand(drained, having)).toBe(2);
  expect(asked).toEqual(['POST /drain', 'GET /runner']);
});

it('a runner with a unix socket is drained through its balancer: only on its machine is its port that of the runner', async () => {
  throughBalancer = 200;
  // Here, another runner has that port.
  const having = deps([line('unix:/run/r.sock', { http_port: port }), line('b:1')]);
  expect(await drainRunner('unix:///run/r.sock', OPTIONS, having)).toMatchObject({
    way: 'through balancer',
    inHand: 2,
  });
  expect(await undrainRunner('/run/r.sock', having)).toMatchObject({ state: 'draining' });
  throughBalancer = 502;
  expect(await drainRunner('unix:/run/r.sock', OPTIONS, having)).toMatchObject({
    way: 'cordon',
    note: expect.stringContaining('is on the machine of its balancer'),
  });
  expect(asked).toEqual(['PUT /fleet/cordons/unix%3A%2Frun%2Fr.sock']);
});

it('for reading, a runner with a unix socket has its HTTP port where its balancer has', () => {
  const runner = line('unix:/run/r.sock', { http_port: 8082 });
  expect(readingUrlOf(runner, 'https://lb.example:8081', true)).toBe('https://lb.example:8082');
  expect(readingUrlOf(line('h1:9190', { http_port: 8082 }), 'http://lb.example:8081', false)).toBe('http://h1:8082');
  expect(readingUrlOf(line('unix:/run/r.sock'), 'http://lb.example:8081', false)).toBeUndefined();
});

it('cordons an Fn runner on every balancer', async () => {
  const drained = await drainRunner('go:9190', OPTIONS, deps([line('go:9190'), line('b:1')]));
  expect(drained).toMatchObject({ way: 'cordon', inHand: 1, note: 'the runner does not report an HTTP port' });
  expect(asked).toEqual(['PUT /fleet/cordons/go%3A9190']);
});

it('cordons a runner whose port does not answer, or lacks the route', async () => {
  answer = { status: 404, body: { message: 'not here' } };
  const drained = await drainRunner(
    '127.0.0.1:9190',
    OPTIONS,
    deps([line('127.0.0.1:9190', { http_port: port }), line('b:1')]),
  );
  expect(drained).toMatchObject({ way: 'cordon', note: expect.stringContaining('answers 404: not here') });
  const silent = deps([line('127.0.0.1:9190', { http_port: 1 }), line('b:1')]);
  expect((await drainRunner('127.0.0.1:9190', OPTIONS, silent)).way).toBe('cordon');
});

it('does not cordon a runner that refuses the credentials', async () => {
  answer = { status: 403, body: { message: 'for operators' } };
  const drained = drainRunner(
    '127.0.0.1:9190',
    OPTIONS,
    deps([line('127.0.0.1:9190', { http_port: port }), line('b:1')]),
  );
  await expect(drained).rejects.toThrow('403: for operators');
  expect(asked).toEqual(['POST /drain']);
});

it('does nothing if a balancer cannot be reached, because that would continue to offer calls', async () => {
  const unreachable = { url: 'http://lb2', error: 'away' };
  const drained = drainRunner('go:9190', OPTIONS, deps([line('go:9190'), line('b:1')], [unreachable]));
  await expect(drained).rejects.toThrow('http://lb2 does not answer, and so would continue to offer calls to go:9190');
  expect(asked).toEqual([]);
});

it('keeps the last runner that takes calls, unless forced', async () => {
  const having = deps([line('go:9190'), line('b:1', { state: 'draining' })]);
  await expect(drainRunner('go:9190', OPTIONS, having)).rejects.toThrow('is the last runner');
  expect((await drainRunner('go:9190', { ...OPTIONS, force: true }, having)).way).toBe('cordon');
});

it('undrain undoes both a drain and a cordon', async () => {
  answer = { status: 200, body: { state: 'ready' } };
  const having = deps([line('127.0.0.1:9190', { http_port: port })], [], ['127.0.0.1:9190']);
  expect(await undrainRunner('127.0.0.1:9190', having)).toEqual({
    runner: '127.0.0.1:9190',
    state: 'ready',
    uncordoned: [`http://127.0.0.1:${port}`],
  });
  expect(asked).toEqual(['DELETE /fleet/cordons/127.0.0.1%3A9190', 'DELETE /drain']);
});

it('undrain lifts the cordon of a runner that has left the pool', async () => {
  const having = deps([line('b:1')], [], ['go:9190']);
  expect(await undrainRunner('go:9190', having)).toMatchObject({ state: undefined, uncordoned: [expect.any(String)] });
  expect(asked).toEqual(['DELETE /fleet/cordons/go%3A9190']);
});
