import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { StreamInfo } from '@nats-io/jetstream';
import { mustBeDurable, type NatsServer } from './nats-server.js';
import { parseNatsUrl } from './nats-url.js';

let monitor: Server;
let answer: { readonly status: number; readonly body: string };

beforeAll(async () => {
  monitor = createServer((_, response) => response.writeHead(answer.status).end(answer.body));
  await new Promise<void>((resolve) => monitor.listen(0, '127.0.0.1', resolve));
});
afterAll(() => {
  monitor.close();
});

const varz = (config: object, server_name = 'n1') => ({
  status: 200,
  body: JSON.stringify({ server_name, jetstream: { config } }),
});

interface Seen {
  readonly version?: string;
  readonly stream?: { readonly replicas?: number; readonly storage?: string; readonly leader?: string };
  readonly shown?: typeof answer;
}

async function verdict({ version = '2.12.1', stream = {}, shown }: Seen): Promise<string> {
  answer = shown ?? { status: 404, body: '' };
  const server = { connection: { info: { version, server_name: 'n1' } } } as unknown as NatsServer;
  const { replicas = 1, storage = 'file', leader } = stream;
  const config = { name: 'fnfleet-log', num_replicas: replicas, storage };
  const info = { config, cluster: leader && { leader } } as unknown as StreamInfo;
  const query = shown === undefined ? '' : `?monitor=http://127.0.0.1:${(monitor.address() as AddressInfo).port}/`;
  return await mustBeDurable(server, info, parseNatsUrl(`nats://127.0.0.1${query}`), 5_000).then(
    () => 'durable',
    (error: Error) => error.message,
  );
}

it.each`
  what                                          | seen
  ${'three replicas'}                           | ${{ stream: { replicas: 3 } }}
  ${'three replicas of an old server'}          | ${{ version: '2.9.10', stream: { replicas: 3 } }}
  ${'a server that shows that it syncs'}        | ${{ shown: varz({ sync_always: true }) }}
  ${'a member of a cluster that keeps the log'} | ${{ stream: { leader: 'n2' }, shown: varz({ sync_always: true }, 'n2') }}
`('is satisfied with $what', async ({ seen }) => {
  expect(await verdict(seen)).toBe('durable');
});

it.each`
  what                                         | seen                                                                | says
  ${'one replica, and nothing to look at'}     | ${{}}                                                               | ${/has 1 replica, and a client cannot see whether NATS syncs.*monitor=.*replicas=3.*FN_MQ_ALLOW_UNSYNCED=1/}
  ${'two replicas'}                            | ${{ stream: { replicas: 2 } }}                                      | ${/has 2 replicas/}
  ${'a server that cannot sync'}               | ${{ version: '2.9.10' }}                                            | ${/NATS 2.9.10 acknowledges what it has not synced.*NATS 2.10 or newer with sync_interval: always/}
  ${'a server that syncs now and then'}        | ${{ shown: varz({ sync_interval: 120_000_000_000 }) }}              | ${/does not sync what it acknowledges: set sync_interval: always/}
  ${'a monitor without JetStream'}             | ${{ shown: { status: 200, body: '{"server_name":"n1"}' } }}         | ${/does not sync/}
  ${'the monitor of another server'}           | ${{ shown: varz({ sync_always: true }, 'n2') }}                     | ${/is that of n2, but n1 keeps stream fnfleet-log/}
  ${'a monitor of a member that keeps no log'} | ${{ stream: { leader: 'n2' }, shown: varz({ sync_always: true }) }} | ${/is that of n1, but n2 keeps/}
  ${'a monitor that refuses'}                  | ${{ shown: { status: 403, body: '' } }}                             | ${/whether NATS syncs cannot be seen: http:.*varz: status 403/}
  ${'a monitor that is something else'}        | ${{ shown: { status: 200, body: '<html>' } }}                       | ${/whether NATS syncs cannot be seen/}
  ${'a monitor without end'}                   | ${{ shown: { status: 200, body: 'x'.repeat(2 ** 21) } }}            | ${/more than 1048576 bytes/}
  ${'a stream in memory'}                      | ${{ stream: { replicas: 3, storage: 'memory' } }}                   | ${/in memory/}
`('refuses $what', async ({ seen, says }) => {
  expect(await verdict(seen)).toMatch(says);
});
