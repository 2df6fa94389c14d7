// needs: postgres
// takes: 5 s
import { decodeFrames, encodeFrames, encodeQueuedRequest, wallMs } from '@fnfleet/core';
import { PostgresServer } from '@fnfleet/testing';
import { TestApi } from '../test-kit/test-api.js';

let server: PostgresServer;
let nodes: TestApi[];

beforeAll(async () => {
  server = await PostgresServer.start({ fsync: true });
});
afterAll(() => server.close());
beforeEach(async () => {
  const env = { FN_DB_URL: server.url(await server.createDatabase()) };
  nodes = await Promise.all([TestApi.start({ env }), TestApi.start({ env })]);
});
afterEach(async () => {
  await Promise.all(nodes.map((node) => node.close()));
});

const node = (at: number) => nodes[at] as TestApi;
const post = (at: number, target: string, body: Buffer | string) =>
  fetch(node(at).url + target, { method: 'POST', body: body as string });

async function accept(at: number, callId: string, fnId: string): Promise<number> {
  const request = { method: 'POST', url: 'http://lb/invoke/x', headers: {}, triggerId: '', createdAt: wallMs(1_000) };
  const head = JSON.stringify({ call_id: callId, fn_id: fnId, head: encodeQueuedRequest(request) });
  return (await post(at, '/v2/runner/async/calls', encodeFrames([{ head, body: Buffer.from('cat') }]))).status;
}

async function reserve(at: number, waitMs = 0): Promise<{ readonly call_id: string; readonly token: string }[]> {
  const asked = JSON.stringify({ holder: 'lb', limit: 10, wait_ms: waitMs });
  const response = await post(at, '/v2/runner/async/reserve', asked);
  expect(response.status).toBe(200);
  return decodeFrames(Buffer.from(await response.arrayBuffer()), 100).map(({ head }) => JSON.parse(head));
}

it('API nodes on one Postgres database have its queue together, without a setting', async () => {
  const fnId = await node(0).fn(await node(0).app('shop'), 'resize');
  const waiting = reserve(1, 30_000);
  expect(await accept(0, 'c1', fnId)).toBe(200);
  const [leased] = await waiting;
  expect(leased).toMatchObject({ call_id: 'c1' });
  expect(await accept(1, 'c2', fnId)).toBe(200);
  const ends = { kind: 'bury', call_id: 'c1', token: leased?.token, code: 'functionFailed', message: 'no' };
  const frames = encodeFrames([{ head: JSON.stringify(ends), body: Buffer.alloc(0) }]);
  expect(await (await post(0, '/v2/runner/async/settle', frames)).json()).toMatchObject({
    answers: [{ kind: 'dead' }],
  });
  for (const { body } of await Promise.all(nodes.map((api) => api.get(`/v2/fns/${fnId}/calls`)))) {
    const calls = body.items as { readonly id: string; readonly status: string }[];
    expect(calls.map(({ id, status }) => `${id} ${status}`)).toEqual(['c2 queued', 'c1 error']);
  }
  await node(0).close();
  expect((await reserve(1)).map(({ call_id }) => call_id)).toEqual(['c2']);
});
