import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { checkHealth } from './health.js';

let server: Server;
let url: string;
let answer: { status: number; body: string } | undefined;

beforeEach(async () => {
  server = createServer((req, res) => {
    if (answer === undefined) return;
    res.writeHead(req.url === '/healthz' ? 200 : answer.status).end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

it('a ready node is healthy', async () => {
  answer = { status: 200, body: '{"status":"ready"}' };
  expect(await checkHealth(url, '/readyz', 30_000)).toBeUndefined();
});

it('a draining node is alive, but not ready', async () => {
  answer = { status: 503, body: '{"status":"draining"}' };
  expect(await checkHealth(url, '/readyz', 30_000)).toBe(`${url}/readyz answers 503: {"status":"draining"}`);
  expect(await checkHealth(url, '/healthz', 30_000)).toBeUndefined();
});

it('a node that an operator has drained is healthy: a restart would undo the drain', async () => {
  answer = { status: 503, body: '{"status":"suspended"}' };
  expect(await checkHealth(url, '/readyz', 30_000)).toBeUndefined();
});

it('a node that hangs times out', async () => {
  answer = undefined;
  expect(await checkHealth(url, '/readyz', 50)).toMatch(/does not answer: no answer within 50 ms/);
});

it('reports that no node is listening', async () => {
  expect(await checkHealth('http://127.0.0.1:9', '/readyz', 30_000)).toMatch(/does not answer: .*ECONNREFUSED/);
});
