// needs: postgres
// takes: 8 s
import { FakeClock } from '@fnfleet/core';
import { parsePostgresUrl } from '@fnfleet/postgres/url';
import { eventually, PostgresServer } from '@fnfleet/testing';
import type { QueueBounds } from '../bounds.js';
import type { MessageQueue, NewMessage } from '../message-queue.js';
import { openPostgresQueue } from './postgres-queue.js';

const LEASE_MS = 30_000;
const ANSWER = { head: '{}', body: Buffer.from('x') };

let server: PostgresServer;
let database: string;
/** Stands still, so that nobody polls. */
let clock: FakeClock;
let nodes: MessageQueue[];
let pushed: number;

beforeAll(async () => {
  server = await PostgresServer.start();
});
afterAll(() => server.close());
beforeEach(async () => {
  database = await server.createDatabase();
  clock = new FakeClock();
  nodes = [];
  pushed = 0;
});
afterEach(async () => {
  await Promise.all(nodes.map((node) => node.close()));
});

async function open(bounds: Partial<QueueBounds> = {}): Promise<MessageQueue> {
  const target = parsePostgresUrl(server.url(database), 'FN_MQ_URL');
  const node = await openPostgresQueue({ target, clock, bounds, timeoutMs: 2 ** 31 - 1, allowUnsynced: true });
  nodes.push(node);
  return node;
}

/** That start at the same time, on an empty database. */
const openAll = (count: number, bounds?: Partial<QueueBounds>) =>
  Promise.all(Array.from({ length: count }, () => open(bounds)));
const push = async (node: MessageQueue, message: Partial<NewMessage> = {}) => {
  pushed += 1;
  const callId = `c${String(pushed).padStart(5, '0')}`;
  await node.push({ callId, fnId: 'f', head: '{}', body: Buffer.from('body'), ...message });
  return callId;
};
const reserve = (node: MessageQueue, limit = 1, waitMs = 0) =>
  node.reserve({ holder: 'lb', limit, leaseMs: LEASE_MS, waitMs });

it('a call that one node accepts wakes a reservation that waits at another one', async () => {
  const [a, b] = (await openAll(2)) as [MessageQueue, MessageQueue];
  const waiting = reserve(b, 1, LEASE_MS);
  await b.stats();
  const callId = await push(a);
  expect((await waiting).map(({ lease }) => lease.callId)).toEqual([callId]);
});

it('a node that hears nothing for a while looks for what it has missed as soon as it hears again', async () => {
  const [a, b] = (await openAll(2)) as [MessageQueue, MessageQueue];
  // The clock jumps while the node connects in real time.
  const waiting = reserve(b, 1, 1_000 * LEASE_MS);
  await b.stats();
  const ends =
    "select pg_terminate_backend(pid, 10000) from pg_stat_activity where query like '%pg_advisory_lock_shared%'";
  await server.query('postgres', `${ends} and pid <> pg_backend_pid() and datname = '${database}'`);
  const callId = await push(a);
  await eventually(async () => {
    await clock.advance(1_000);
    expect(await Promise.race([waiting, 'nothing yet'])).not.toBe('nothing yet');
  });
  expect((await waiting)[0]?.lease.callId).toBe(callId);
});

it('nodes that lease at the same time never have the same call, and have all of them', async () => {
  const all = await openAll(4);
  const accepted = await Promise.all(
    Array.from({ length: 400 }, (_, n) => push(all[n % 4] as MessageQueue, { fnId: `f${n % 7}` })),
  );
  const leased: string[] = [];
  const consume = async (node: MessageQueue) => {
    for (let found = await reserve(node, 7); found.length > 0; found = await reserve(node, 7)) {
      leased.push(...found.map(({ lease }) => lease.callId));
      const ends = await Promise.all(found.map(({ lease }) => node.complete(lease, ANSWER)));
      expect(ends.every(({ kind }) => kind === 'completed')).toBe(true);
    }
  };
  await Promise.all(all.map(consume));
  expect(leased.sort()).toEqual([...accepted].sort());
  for (const node of all) expect(await node.stats()).toMatchObject({ ready: 0, running: 0, ended: 400 });
});

it.each`
  limit              | limits                                    | most
  ${'a concurrency'} | ${{ concurrency: 3 }}                     | ${3}
  ${'a rate'}        | ${{ rate: { calls: 5, perMs: 100_000 } }} | ${5}
`('$limit limit is that of all nodes together', async ({ limits, most }) => {
  const all = await openAll(4);
  await Promise.all(Array.from({ length: 40 }, (_, n) => push(all[n % 4] as MessageQueue, { limits })));
  const found = await Promise.all([...all, ...all].map((node) => reserve(node, 2)));
  expect(found.flat()).toHaveLength(most);
  await (all[0] as MessageQueue).configure('f', {});
  expect(await reserve(all[1] as MessageQueue, 2)).toHaveLength(2);
});

it('what one node does with a call counts at the others: leases, keys, cancellation, the end of a function', async () => {
  const [a, b] = (await openAll(2)) as [MessageQueue, MessageQueue];
  const first = await push(a, { idempotencyKey: 'k' });
  expect(await b.push({ callId: 'x', fnId: 'f', ...ANSWER, idempotencyKey: 'k' })).toEqual({
    callId: first,
    duplicate: true,
  });
  const [delivery] = await reserve(a);
  expect(await reserve(b)).toEqual([]);
  if (delivery === undefined) throw new Error('nothing is ready');
  expect(await b.complete({ ...delivery.lease, token: 'x' }, ANSWER)).toMatchObject({ kind: 'leaseLost' });
  expect(await b.complete(delivery.lease, ANSWER)).toEqual({ kind: 'completed' });
  const second = await push(a);
  expect(await b.cancel(second)).toEqual({ kind: 'cancelled' });
  const third = await push(b);
  await a.buryFunction('f', { code: 'fnNotFound', message: '' });
  expect(await reserve(b)).toEqual([]);
  await b.stats();
  expect((await a.get(third))?.state).toBe('dead');
});

it('one function cannot take the idempotency keys of others by asking several nodes', async () => {
  const all = await openAll(3, { maxKeys: 18 });
  const keyed = (n: number, fnId = 'f') =>
    push(all[n % 3] as MessageQueue, { fnId, idempotencyKey: `${n}` }).then(
      () => 'accepted',
      ({ code }) => code,
    );
  const answers: string[] = [];
  for (let n = 0; n < 20; n += 1) answers.push(await keyed(n));
  expect(answers.filter((answer) => answer === 'queueShareFull')).toHaveLength(3);
  expect(await keyed(1, 'other')).toBe('accepted');
});

it('a node that joins others renews no leases, and lets those expire that it has not given', async () => {
  const [a] = (await openAll(1)) as [MessageQueue];
  await push(a);
  await reserve(a);
  await clock.advance(LEASE_MS - 5_000);
  // The clock of the server does not jump with that of the nodes: the time has to be recorded.
  await push(a);
  const b = await open();
  await clock.advance(5_000);
  expect((await reserve(b, 2)).map(({ attempt }) => attempt).sort()).toEqual([1, 2]);
});
