import { AccessGuard } from '@fnfleet/http';
import { FakeRunner } from '@fnfleet/placement';
import { type MessageQueue, openSqliteQueue, type RetryPolicy } from '@fnfleet/queue';
import { queuesOf, untilEnded } from '../test-kit/queued-calls.js';
import { CONTENTS, type FleetOptions, TestFleet } from '../test-kit/test-fleet.js';

let queue: MessageQueue;
let fleet: TestFleet;

beforeEach(async () => {
  queue = await openSqliteQueue({ path: ':memory:' });
});
afterEach(async () => {
  await fleet.close();
  await queue.close();
});

const ONCE: RetryPolicy = { attempts: 1, backoffMs: 0, maxBackoffMs: 0, retryOn: ['function'] };

/** @param invokeType what the owner of the trigger /hook decided */
async function start(runner: FakeRunner, invokeType?: string, options: FleetOptions = {}): Promise<void> {
  const trigger = { id: 'hook1', name: 'hook', app_id: 'app1', fn_id: 'fn1', type: 'http', source: '/hook' };
  const annotations = invokeType === undefined ? undefined : { 'fnfleet/invoke-type': invokeType };
  fleet = await TestFleet.start([runner], {
    queues: queuesOf(queue, ONCE),
    contents: { ...CONTENTS, triggers: [...(CONTENTS.triggers ?? []), { ...trigger, annotations }] },
    env: { FN_ASYNC_CONSUMERS: '4' },
    ...options,
  });
}

const ended = (callId: string) => untilEnded(queue, callId);

const ASYNC = { 'fn-invoke-type': 'async' };
const idOf = ({ body }: { readonly body: string }) => JSON.parse(body).call_id;

it('http-api 99: a caller of a trigger may ask for an asynchronous call, and the function sees the same request', async () => {
  const runner = new FakeRunner('r').finishes().finishes();
  await start(runner);
  const options = {
    method: 'PUT',
    headers: { 'X-A': '1', 'Content-Type': 't/p', 'Fn-Attempt': '7', Te: 'gzip' },
    body: 'in',
  };
  const answer = await fleet.send('/t/shop/hook?x=1', { ...options, headers: { ...options.headers, ...ASYNC } });
  const id = idOf(answer);
  expect(answer).toMatchObject({ status: 202, body: `${JSON.stringify({ call_id: id, duplicate: false })}\n` });
  expect(answer.headers).toMatchObject({
    'fn-call-id': id,
    location: `/v2/fns/fn1/calls/${id}`,
    'content-type': 'application/json; charset=utf-8',
  });
  await ended(id);
  await fleet.send('/t/shop/hook?x=1', options);

  const [asynchronous, synchronous] = runner.offered.map(({ model }) => model);
  expect(asynchronous).toMatchObject({ id, type: 'async', triggerId: 'hook1', fnId: 'fn1', method: 'PUT' });
  expect(asynchronous?.url).toBe(`${fleet.url}/t/shop/hook?x=1`);
  const { 'Fn-Attempt': attempt, 'Fn-Http-H-Fn-Invoke-Type': type, ...headers } = asynchronous?.headers ?? {};
  expect([attempt, type]).toEqual([['1'], ['async']]);
  expect(headers).toEqual(synchronous?.headers);
  expect(headers['Fn-Http-H-Fn-Attempt']).toEqual(['7']);
  expect(runner.bodies.map(String)).toEqual(['in', 'in']);
});

it.each`
  owner        | asks     | status | types
  ${'async'}   | ${{}}    | ${202} | ${['async']}
  ${'async'}   | ${ASYNC} | ${202} | ${['async']}
  ${'sync'}    | ${ASYNC} | ${200} | ${['sync']}
  ${undefined} | ${{}}    | ${200} | ${['sync']}
  ${'nothing'} | ${ASYNC} | ${202} | ${['async']}
`('a trigger whose owner decided on $owner answers $status to $asks', async ({ owner, asks, status, types }) => {
  const runner = new FakeRunner('r').finishes();
  await start(runner, owner);
  const answer = await fleet.send('/t/shop/hook', { method: 'GET', headers: asks });
  expect(answer.status).toBe(status);
  if (status === 202) await ended(idOf(answer));
  expect(runner.offered.map(({ model }) => model.type)).toEqual(types);
});

it('another call with the same Idempotency-Key is the same call', async () => {
  await start(new FakeRunner('r').finishes(), 'async');
  const options = { headers: { 'Idempotency-Key': 'order-7' }, body: 'x' };
  const first = await fleet.send('/t/shop/hook', options);
  const again = await fleet.send('/t/shop/hook', options);
  expect(JSON.parse(again.body)).toEqual({ call_id: idOf(first), duplicate: true });
});

it.each([
  ['of the operator does not reach', 'Bearer sesame-0123', undefined],
  ['of the function reaches', 'Bearer its-own', ['Bearer its-own']],
])('a token %s the function', async (_, Authorization, arrives) => {
  const runner = new FakeRunner('r').finishes();
  await start(runner, 'async', { guard: new AccessGuard({ operatorToken: 'sesame-0123' }) });
  const answer = await fleet.send('/t/shop/hook', { headers: { Authorization }, body: 'x' });
  await ended(idOf(answer));
  expect(runner.offered[0]?.model.headers['Fn-Http-H-Authorization']).toEqual(arrives);
});

it.each`
  marked   | state        | result
  ${'201'} | ${'success'} | ${{ status: 201, headers: { 'Content-Type': ['a/b'], 'X-Out': ['é'] } }}
  ${'404'} | ${'success'} | ${{ status: 404 }}
  ${'503'} | ${'dead'}    | ${undefined}
`('a function that answers the client with $marked ends as $state', async ({ marked, state, result }) => {
  const headers: [string, string][] = [
    ['Fn-Http-Status', marked],
    ['Fn-Http-H-X-Out', 'é'],
    ['Content-Type', 'a/b'],
    ['X-Unmarked', 'dropped'],
  ];
  await start(new FakeRunner('r').finishes({ headers, body: 'x' }), 'async');
  const id = idOf(await fleet.send('/t/shop/hook', { body: 'x' }));
  expect((await ended(id)).state).toBe(state);
  const kept = await queue.result(id);
  if (result !== undefined) expect(JSON.parse(kept?.head ?? '')).toMatchObject(result);
  expect(kept?.head ?? '').not.toContain('dropped');
});

it('a trigger that does not exist is 404, and nothing is accepted', async () => {
  await start(new FakeRunner('r'), 'async');
  expect((await fleet.send('/t/shop/none', { headers: ASYNC })).status).toBe(404);
  expect((await fleet.send('/t/shop/hook', { method: 'PROPFIND', headers: ASYNC })).status).toBe(405);
  expect((await queue.stats()).ready).toBe(0);
});
