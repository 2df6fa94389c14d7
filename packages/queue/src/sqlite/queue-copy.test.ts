// takes: 3 s
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { FakeClock } from '@fnfleet/core';
import { contentsOfQueue, isQueueLocked, prepareRestoredQueue } from './queue-copy.js';
import { QueueFile } from './queue-file.js';
import { openSqliteQueue } from './sqlite-queue.js';

const CALLS = 300;
const HOUR_MS = 3_600_000;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fnfleet-queue-copy-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it('a copy that is made while calls are accepted and run is consistent, and has all that were accepted before', async () => {
  const path = join(folder, 'mq.db');
  const queue = await openSqliteQueue({ path });
  const push = (n: number) => queue.push({ callId: `c${n}`, fnId: 'f', head: '{}', body: Buffer.alloc(20_000, 'x') });
  for (let n = 0; n < CALLS; n += 50) await Promise.all(Array.from({ length: 50 }, (_, more) => push(n + more)));
  let isSaved = false;
  const saving = queue.save?.().finally(() => {
    isSaved = true;
  });
  let more = CALLS;
  while (!isSaved) {
    await push(more);
    more += 1;
    const [delivery] = await queue.reserve({ holder: 'h', limit: 1, leaseMs: 60_000 });
    if (delivery) await queue.complete(delivery.lease, { head: '{}', body: Buffer.from('done') });
  }
  const saved = await saving;
  expect(isQueueLocked(path)).toBe(true);
  await queue.close();
  expect(isQueueLocked(path)).toBe(false);

  const copy = new DatabaseSync(saved?.file ?? '', { readOnly: true });
  const one = (sql: string) => Object.values(copy.prepare(sql).get() ?? {})[0];
  expect(one('pragma integrity_check')).toBe('ok');
  // No call without what belongs to it: each transaction is there, or is not.
  expect(one('select count(*) from messages where state < 3 and seq not in (select seq from payloads)')).toBe(0);
  expect(one('select count(*) from messages where state = 3 and seq not in (select seq from results)')).toBe(0);
  copy.close();
  const { waiting, ended } = contentsOfQueue(saved?.file ?? '');
  expect(waiting + ended).toBeGreaterThanOrEqual(CALLS);
  rmSync(saved?.file ?? '');
  expect(readdirSync(folder)).toEqual(['mq.db']);
});

it('a copy that begins while a transaction is open waits for its end', async () => {
  const file = QueueFile.open(join(folder, 'mq.db'), { waitMs: 0, mustExist: false });
  file.begin();
  const saving = file.save(join(folder, 'copy.db'));
  const meanwhile = saving.then(
    () => 'saved',
    () => 'failed',
  );
  expect(await Promise.race([meanwhile, delay(50, 'waits')])).toBe('waits');
  file.commit();
  await saving;
  expect(contentsOfQueue(join(folder, 'copy.db'))).toEqual({ waiting: 0, dead: 0, ended: 0 });
  file.close();
});

it.each`
  keeps             | keepDeadMs         | isKept
  ${'for an hour'}  | ${HOUR_MS}         | ${false}
  ${'for 100 days'} | ${2_400 * HOUR_MS} | ${true}
`(
  'the dead letters of a restored queue are kept as long as the node keeps others: $keeps',
  async ({ keepDeadMs, isKept }) => {
    const path = join(folder, 'mq.db');
    const clock = new FakeClock();
    const open = () => openSqliteQueue({ path, clock, timeoutMs: Number.MAX_SAFE_INTEGER, bounds: { keepDeadMs } });
    const before = await open();
    await before.push({ callId: 'c', fnId: 'f', head: '{}', body: Buffer.from('x') });
    await before.close();
    prepareRestoredQueue(path);

    // The node is started later, and is restarted.
    await clock.advance(2 * HOUR_MS);
    let queue = await open();
    await clock.advance(HOUR_MS / 2);
    await queue.close();
    queue = await open();
    expect(await queue.get('c')).toMatchObject({ state: 'dead', reason: { code: 'restored' } });
    const states = [];
    for (const ms of [HOUR_MS / 4, HOUR_MS, 360 * HOUR_MS]) {
      await clock.advance(ms);
      await queue.stats();
      states.push((await queue.get('c'))?.state);
    }
    expect(states).toEqual(isKept ? ['dead', 'dead', 'dead'] : ['dead', undefined, undefined]);
    await queue.close();
  },
);

it('a queue in memory, which ends with its process, has no copies', async () => {
  const queue = await openSqliteQueue({ path: ':memory:' });
  expect(queue.save).toBeUndefined();
  await queue.close();
});
