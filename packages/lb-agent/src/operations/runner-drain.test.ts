import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { silentLogger } from '@fnfleet/core';
import { createNodeApp } from '@fnfleet/http';
import type { FleetStatus } from '@fnfleet/placement';
import { runnerDrainRoutes } from './runner-drain.js';

const servers: Server[] = [];
const asked: string[] = [];
let answer: { status: number; body: string };

beforeEach(() => {
  asked.length = 0;
  answer = { status: 200, body: '{"in_hand":2,"state":"draining"}' };
});
afterEach(() => Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve)))));

async function listen(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** A balancer with one runner, whose HTTP port is the test's. */
async function ask(
  method: string,
  { address = '127.0.0.1:9190', listed = '127.0.0.1:9190', told = true } = {},
): Promise<[number, object]> {
  const port = await listen(
    createServer((req, res) => {
      asked.push(`${req.method} ${req.url} ${req.headers.authorization}`);
      res.writeHead(answer.status, { connection: 'close' }).end(answer.body);
    }),
  );
  const identity = told ? { about: { httpPort: port } } : undefined;
  const fleet = async () => ({ runners: [{ address: listed, identity }] }) as unknown as FleetStatus;
  const routes = runnerDrainRoutes({ fleet }, { tls: undefined, token: 'sesame' });
  expect(routes.map(({ access }) => access)).toEqual(['operator', 'operator']);
  const balancer = await listen(createServer(createNodeApp({ routes, settings: {}, logger: silentLogger })));
  const url = `http://127.0.0.1:${balancer}/fleet/runners/${encodeURIComponent(address)}/drain`;
  const response = await fetch(url, { method, headers: { connection: 'close' } });
  return [response.status, (await response.json()) as object];
}

it.each(['POST', 'DELETE'])('%s is forwarded to the runner with the credentials of the balancer', async (method) => {
  expect(await ask(method)).toEqual([200, { in_hand: 2, state: 'draining' }]);
  expect(asked).toEqual([`${method} /drain Bearer sesame`]);
});

it('a runner on a unix socket has its HTTP port on the same machine', async () => {
  const address = 'unix:/run/r.sock';
  expect(await ask('POST', { address, listed: address })).toEqual([200, { in_hand: 2, state: 'draining' }]);
  expect(asked).toEqual(['POST /drain Bearer sesame']);
});

it.each`
  what                                      | set                                                   | options                       | status | message
  ${'a runner that is not in the pool'}     | ${{}}                                                 | ${{ address: '10.0.0.1:80' }} | ${404} | ${/no runner 10\.0\.0\.1:80/}
  ${'one that reports no HTTP port'}        | ${{}}                                                 | ${{ told: false }}            | ${502} | ${/does not report an HTTP port/}
  ${'one that refuses'}                     | ${{ status: 403, body: '{"message":"you may not"}' }} | ${{}}                         | ${502} | ${/it answers 403: .*you may not/}
  ${'one that answers with a web page'}     | ${{ status: 200, body: '<html>' }}                    | ${{}}                         | ${502} | ${/cannot drain or undrain/}
  ${'one that answers with too many bytes'} | ${{ status: 200, body: 'x'.repeat(2_000_000) }}       | ${{}}                         | ${502} | ${/more than 1048576 bytes/}
`('$what: $status', async ({ set, options, status, message }) => {
  answer = { ...answer, ...set };
  expect(await ask('POST', options)).toEqual([status, { message: expect.stringMatching(message) }]);
});
