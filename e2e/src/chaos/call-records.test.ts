import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readRecords, untilEnded } from './call-records.js';

let server: Server;
let url: string;
/** Requests that are answered 503 before the others. */
let unavailable: number;
let running: string[];
/** Whether another one runs at each look. */
let changes: boolean;

beforeEach(async () => {
  unavailable = 3;
  running = [];
  changes = false;
  server = createServer((req, res) => {
    const reply = (status: number, json: object) => res.writeHead(status).end(JSON.stringify(json));
    unavailable -= 1;
    if (unavailable >= 0) return reply(503, { message: 'no queue' });
    if (req.url?.includes('?')) {
      const ids = req.url.endsWith('running') ? running.slice(0, 1) : [];
      if (changes && ids.length > 0) running.shift();
      return reply(200, { items: ids.map((id) => ({ id })) });
    }
    return req.url?.endsWith('/gone') ? reply(404, { message: 'no such call' }) : reply(200, { status: 'success' });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

it('a call is only lost if the API node says so, and not while it has no queue', async () => {
  expect([...(await readRecords(url, ['kept', 'gone'])).keys()]).toEqual(['kept']);
});

it('calls have not ended while the API node does not say so', async () => {
  unavailable = Number.POSITIVE_INFINITY;
  expect(await untilEnded(url, 0)).toEqual(Array.from({ length: 3 }, () => expect.stringContaining('503')));
  unavailable = 3;
  expect(await untilEnded(url)).toEqual([]);
  running = ['c'];
  expect(await untilEnded(url, 0)).toEqual(['call c, running']);
});

it('calls are waited for as long as they go on', async () => {
  unavailable = 0;
  running = Array.from({ length: 20 }, (_, at) => `c${at}`);
  changes = true;
  // Less than between two looks.
  expect(await untilEnded(url, 25)).toEqual([]);
  changes = false;
  running = ['c'];
  expect(await untilEnded(url, 25)).toEqual(['call c, running']);
});
