// needs: postgres
// takes: 20 s
import { FakeClock } from '@fnfleet/core';
import { parsePostgresUrl } from '@fnfleet/postgres/url';
import { eventually, PostgresServer } from '@fnfleet/testing';
import type { MessageQueue } from '../message-queue.js';
import { openPostgresQueue, type PostgresQueueOptions } from './postgres-queue.js';

const ANSWER = { head: '{}', body: Buffer.from('x') };
const LEASE_MS = 30_000;

let server: PostgresServer;
let database: string;
let queue: MessageQueue | undefined;
let pushed: number;

beforeAll(async () => {
  server = await PostgresServer.start({ fsync: true });
});
afterAll(() => server.close());
beforeEach(async () => {
  database = await server.createDatabase();
  pushed = 0;
});
afterEach(async () => {
  await queue?.close();
  queue = undefined;
});

const open = async (options: Partial<PostgresQueueOptions> = {}) => {
  const target = parsePostgresUrl(server.url(database, { query: '?application_name=node' }), 'FN_MQ_URL');
  queue = await openPostgresQueue({ target, timeoutMs: 5_000, ...options });
  return queue;
};
const push = async (to: MessageQueue) => {
  pushed += 1;
  const callId = `c${pushed}`;
  await to.push({ callId, ...ANSWER, fnId: 'f' });
  return callId;
};
const reserve = (from: MessageQueue) => from.reserve({ holder: 'h', limit: 10, leaseMs: LEASE_MS });
const failure = (asked: Promise<unknown>) =>
  asked.then(
    () => 'done',
    (error: Error) => error,
  );
const sessions = `from pg_stat_activity where application_name = 'node'`;
const cut = () => server.query('postgres', `select pg_terminate_backend(pid, 10000) ${sessions}`);
const setSystem = async (name: string, value: string) => {
  await server.query('postgres', `alter system set ${name} = ${value}`, 'select pg_reload_conf()');
  // Commits wait for a standby when the checkpointer has read that they should, which it does before its next checkpoint.
  await server.query('postgres', 'checkpoint');
};

it('lookups fail, and nothing else does, when the server dies under them', async () => {
  const used = await open();
  const callId = await push(used);
  const locked = await server.session(database);
  await locked.query('begin; lock table fnfleet_mq_calls');
  const lookups = Promise.all([failure(used.get(callId)), failure(used.payload(callId))]);
  const waiting = `select 1 ${sessions} and wait_event_type = 'Lock'`;
  await eventually(async () => expect(await server.query('postgres', waiting)).toHaveLength(2));
  await server.restart();
  for (const failed of await lookups) expect(failed).toBeInstanceOf(Error);
  expect((await used.get(callId))?.callId).toBe(callId);
});

it('serves the next operations when all its connections were cut', async () => {
  const used = await open();
  for (let round = 0; round < 3; round += 1) {
    await cut();
    const [callId] = await Promise.all([push(used), used.stats()]);
    await cut();
    expect((await reserve(used)).map(({ lease }) => lease.callId)).toEqual([callId]);
  }
});

describe('a commit that waits for a synchronous standby', () => {
  const isCommitting = () =>
    eventually(async () => {
      const rows = await server.query('postgres', `select 1 ${sessions} and wait_event = 'SyncRep'`);
      expect(rows).toHaveLength(1);
    });
  beforeEach(async () => {
    // A default that acknowledges what a power cut destroys.
    await server.query('postgres', `alter database ${database} set synchronous_commit = off`);
  });
  afterEach(async () => {
    await setSystem('synchronous_standby_names', "''");
  });

  it('acknowledges nothing before, whatever the default of the database is', async () => {
    const used = await open({ timeoutMs: 60_000 });
    await setSystem('synchronous_standby_names', "'nobody'");
    let isAcknowledged = false;
    const accepted = push(used).then(() => {
      isAcknowledged = true;
    });
    await isCommitting();
    expect(isAcknowledged).toBe(false);
    await setSystem('synchronous_standby_names', "''");
    await accepted;
  });

  it('and whose connection is lost has an unknown outcome: repeating it accepts the call once', async () => {
    const used = await open({ timeoutMs: 60_000 });
    await setSystem('synchronous_standby_names', "'nobody'");
    const accepted = failure(push(used));
    await isCommitting();
    await setSystem('synchronous_standby_names', "''");
    await cut();
    const error = await accepted;
    if (error !== 'done') expect(error).toMatchObject({ code: 'databaseSlow', status: 503 });
    expect(await used.push({ callId: 'c1', ...ANSWER, fnId: 'f' })).toEqual({ callId: 'c1', duplicate: false });
    expect((await reserve(used)).map(({ lease }) => lease.callId)).toEqual(['c1']);
    expect(await used.stats()).toMatchObject({ ready: 0, running: 1 });
  });
});

it.each`
  what             | happens                  | mends                     | code
  ${'has stopped'} | ${() => server.stop()}   | ${() => server.restart()} | ${'databaseFailed'}
  ${'hangs'}       | ${() => server.freeze()} | ${() => server.thaw()}    | ${'databaseSlow'}
`(
  'when its server $what, it acknowledges nothing, and has what it acknowledged afterwards',
  async ({ happens, mends, code }) => {
    const used = await open();
    const kept = await push(used);
    const [delivery] = await reserve(used);
    await happens();
    try {
      expect(await failure(push(used))).toMatchObject({ code });
      expect(await failure(used.get(kept))).toMatchObject({ status: 503 });
    } finally {
      await mends();
    }
    await eventually(() => used.stats());
    if (delivery === undefined) throw new Error('nothing was ready');
    expect(await used.complete(delivery.lease, ANSWER)).toEqual({ kind: 'completed' });
    const callId = await push(used);
    expect((await reserve(used)).map(({ lease }) => lease.callId)).toContain(callId);
  },
);

it('renews leases after its server was away for longer than they last: nobody could extend them', async () => {
  const clock = new FakeClock();
  const used = await open({ clock, timeoutMs: 2 ** 31 - 1 });
  await push(used);
  const [delivery] = await reserve(used);
  await server.stop();
  expect(await failure(push(used))).toMatchObject({ code: 'databaseFailed' });
  await clock.advance(2 * LEASE_MS);
  await server.restart();
  expect((await reserve(used)).map(({ attempt }) => attempt)).toEqual([]);
  if (delivery === undefined) throw new Error('nothing was ready');
  expect(await used.extend(delivery.lease, LEASE_MS)).toEqual({ kind: 'extended' });
  await clock.advance(LEASE_MS);
  expect(await reserve(used)).toMatchObject([{ attempt: 2 }]);
});

it('is not opened on a server that does not sync, unless that is allowed', async () => {
  const careless = await PostgresServer.start();
  try {
    const target = parsePostgresUrl(careless.url('postgres'), 'FN_MQ_URL');
    await expect(openPostgresQueue({ target })).rejects.toMatchObject({
      code: 'databaseFailed',
      message: expect.stringContaining('fsync = off'),
    });
    const allowed = await openPostgresQueue({ target, allowUnsynced: true });
    await push(allowed);
    await allowed.close();
  } finally {
    await careless.close();
  }
});

it('takes over tables that counted no idempotency keys of functions and did not know their apps', async () => {
  const keyed = (to: MessageQueue, idempotencyKey: string, fnId = 'f') =>
    to.push({ callId: `${fnId}-${idempotencyKey}`, fnId, ...ANSWER, idempotencyKey });
  const first = await open();
  for (let n = 0; n < 9; n += 1) await keyed(first, `${n}`);
  await first.close();
  await server.query(
    database,
    'alter table fnfleet_mq_functions drop column keys, drop column app',
    'update fnfleet_mq set version = 1',
  );
  const used = await open({ bounds: { maxKeys: 10 } });
  expect(await keyed(used, '3')).toMatchObject({ duplicate: false });
  expect(await failure(keyed(used, 'one too many'))).toMatchObject({ code: 'queueShareFull' });
  await keyed(used, 'its first', 'other');
});

it('is not opened when a newer release has made its tables', async () => {
  await (await open()).close();
  await server.query(database, 'update fnfleet_mq set version = 4');
  await expect(open()).rejects.toThrow(/schema version 4; known: 1 to 3/);
});

describe('an operation that the database cannot execute', () => {
  it.each`
    what                     | callId
    ${'a character of zero'} | ${'a\0b'}
    ${'half of a character'} | ${'a\ud800b'}
  `('because of $what in an id is refused, and those that share its transaction are not', async ({ callId }) => {
    const used = await open();
    const bad = failure(used.push({ callId, fnId: 'f', ...ANSWER }));
    const others = await Promise.all([push(used), push(used), used.stats()]);
    expect(await bad).toMatchObject({ code: 'databaseTextInvalid' });
    expect(await used.get(callId)).toBeUndefined();
    expect(await used.cancel(callId)).toEqual({ kind: 'notFound' });
    expect((await reserve(used)).map(({ lease }) => lease.callId)).toEqual(others.slice(0, 2));
  });

  it('is refused, and those that share its transaction are not', async () => {
    const used = await open();
    await server.query(
      database,
      `create function refuse() returns trigger as $$ begin
         if new.call_id = 'bad' then raise 'no'; end if; return new; end $$ language plpgsql`,
      'create trigger refuse before insert on fnfleet_mq_calls for each row execute function refuse()',
    );
    const bad = failure(used.push({ callId: 'bad', fnId: 'f', ...ANSWER }));
    const others = await Promise.all([push(used), push(used)]);
    expect(String(await bad)).toContain('FN_MQ_URL: postgres://');
    expect((await reserve(used)).map(({ lease }) => lease.callId)).toEqual(others);
  });
});

it('what functions log and answer may have any characters', async () => {
  const used = await open();
  await push(used);
  const [delivery] = await reserve(used);
  if (delivery === undefined) throw new Error('nothing was ready');
  const { lease } = delivery;
  expect(await used.complete(lease, { head: 'h\0', body: Buffer.from([0, 255]), log: 'l\0g' })).toEqual({
    kind: 'completed',
  });
  expect(await used.log(lease.callId)).toBe('l\0g');
  const result = await used.result(lease.callId);
  expect([result?.head, [...(result?.body ?? [])]]).toEqual(['h\0', [0, 255]]);
});
