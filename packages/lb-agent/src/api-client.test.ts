import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { MIB, systemClock } from '@fnfleet/core';
import { ApiClient } from './api-client.js';

let server: Server;
let client: ApiClient;

async function start(listener: RequestListener): Promise<void> {
  server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  client = new ApiClient(`http://127.0.0.1:${port}`, { clock: systemClock, random: () => 0 });
}

afterEach(async () => {
  await client.close();
  server.closeAllConnections();
  server.close();
});

const never = new AbortController().signal;

it('an API node that answers without end is cut off, and the lookup fails', async () => {
  let sent = 0;
  await start((_req, res) => {
    const more = () => {
      sent += MIB;
      if (!res.destroyed) res.write(Buffer.alloc(MIB), () => setImmediate(more));
    };
    more();
  });
  await expect(client.read('/v2/fns/fn1', never)).rejects.toMatchObject({ code: 'lookupUnavailable' });
  expect(sent).toBeLessThan(6 * 32 * MIB);
});

it('one that redirects is not followed: credentials go nowhere else', async () => {
  const asked: (string | undefined)[] = [];
  await start((req, res) => {
    asked.push(req.url);
    res.writeHead(302, { Location: `http://127.0.0.1:1${req.url}` }).end();
  });
  await expect(client.read('/v2/fns/fn1', never)).rejects.toMatchObject({ code: 'internal' });
  expect(asked).toEqual(['/v2/fns/fn1']);
});

it('one connection serves many lookups; closing ends those on their way, and leaves nothing open', async () => {
  let connections = 0;
  await start((req, res) => {
    if (req.url !== '/hang') res.end('{}');
  });
  server.on('connection', () => {
    connections += 1;
  });
  for (let i = 0; i < 5; i += 1) expect(await client.read('/quick', never)).toBe('{}');
  expect(connections).toBe(1);
  const hanging = client.read('/hang', never);
  const [request] = await once(server, 'request');
  const closed = once(request.socket, 'close');
  await client.close();
  await expect(hanging).rejects.toMatchObject({ code: 'lookupUnavailable' });
  await closed;
});
