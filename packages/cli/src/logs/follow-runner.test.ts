import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { FakeClock } from '@fnfleet/core';
import { followRunner } from './follow-runner.js';

let server: Server;
const sockets: Socket[] = [];

beforeEach(async () => {
  server = createServer((socket) => void sockets.push(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

it('without --follow, a silent runner times out', async () => {
  const clock = new FakeClock();
  const { port } = server.address() as AddressInfo;
  const asked = followRunner({
    address: `127.0.0.1:${port}`,
    fnId: 'fn',
    tail: 10,
    follow: false,
    onBatch: () => undefined,
    onNotice: () => undefined,
    clock,
    signal: new AbortController().signal,
  }).then(
    () => 'OK',
    (error: Error) => error.message,
  );
  await once(server, 'connection');
  await clock.advance(30_000);
  expect(await asked).toBe(`runner 127.0.0.1:${port}: no data for 30000 ms`);
  expect(clock.pendingTimers).toBe(0);
});
