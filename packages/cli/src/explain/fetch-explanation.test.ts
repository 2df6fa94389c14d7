import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fetchExplanation } from './fetch-explanation.js';

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
});

const explanation = (id: string) => ({
  call_id: id,
  fn_id: 'f',
  app_id: 'a',
  arrived_at: '2026-11-24T12:31:19.123Z',
  state: 'under way',
  events: [],
  omitted: 0,
});

/** A balancer that knows one call. */
async function balancer(known: string): Promise<string> {
  const server = createServer((request, response) => {
    const found = request.url === `/explain/${known}`;
    response.writeHead(found ? 200 : 404, { Connection: 'close' });
    response.end(JSON.stringify(found ? explanation(known) : { message: 'This balancer has no record of the call' }));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

it('queries one balancer after the other', async () => {
  const balancers = ['http://127.0.0.1:1', await balancer('c1'), await balancer('c2')];
  expect(await fetchExplanation(balancers, 'c2')).toEqual(explanation('c2'));
});

it('lists the balancers that it asked if none knows the call', async () => {
  const known = await balancer('c1');
  await expect(fetchExplanation(['http://127.0.0.1:1', known], 'other')).rejects.toThrow(
    new RegExp(`^no balancer knows call other .*\\n  http://127.0.0.1:1: no answer .*\\n  ${known}: 404 This balancer`),
  );
});
