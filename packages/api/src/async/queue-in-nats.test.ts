// needs: nats-server
// takes: 10 s
import { encodeFrames } from '@fnfleet/core';
import { eventually, NatsServer } from '@fnfleet/testing';
import { TestApi } from '../test-kit/test-api.js';

let server: NatsServer;
let nodes: TestApi[];

beforeAll(async () => {
  server = await NatsServer.start();
});
afterAll(() => server.close());
beforeEach(() => {
  nodes = [];
});
afterEach(() => Promise.all(nodes.map((node) => node.close())));

async function start(env: Record<string, string> = { FN_MQ_ALLOW_UNSYNCED: '1' }): Promise<TestApi> {
  const node = await TestApi.start({ env: { FN_MQ_URL: server.url('api'), ...env } });
  nodes.push(node);
  return node;
}

const post = (node: TestApi, target: string, body: Buffer | string) =>
  fetch(`${node.url}/v2/runner/async/${target}`, { method: 'POST', body: body as string });
const accept = async (node: TestApi, callId: string) => {
  const head = JSON.stringify({ call_id: callId, fn_id: 'f', head: '{}' });
  return (await post(node, 'calls', encodeFrames([{ head, body: Buffer.from('x') }]))).status;
};
const reserve = async (node: TestApi) =>
  (await post(node, 'reserve', JSON.stringify({ holder: 'lb', limit: 10, wait_ms: 30_000 }))).status;

it('of two API nodes, one accepts calls; the other says at once that it has none, and takes over when the first one ends', async () => {
  const one = await start();
  const other = await start();
  await eventually(async () => expect(await accept(one, 'c1')).toBe(200));
  expect(await accept(other, 'c2')).toBe(503);
  expect(await reserve(other)).toBe(204);
  await one.close();
  nodes.shift();
  await eventually(async () => expect(await accept(other, 'c2')).toBe(200));
  expect((await other.get('/v2/calls')).body.items).toMatchObject([{ id: 'c2' }, { id: 'c1' }]);
}, 60_000);

it('an API node starts although NATS may lose what it acknowledges, and accepts no calls', async () => {
  const node = await start({});
  expect(await accept(node, 'c3')).toBe(503);
  expect(await reserve(node)).toBe(204);
});
