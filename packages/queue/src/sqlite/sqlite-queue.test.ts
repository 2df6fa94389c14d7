// takes: 10 s
import { later } from '@fnfleet/core';
import { describeQueue } from '../testing/describe-queue.js';
import { InlineSqlite, ThreadedSqlite } from '../testing/queue-setup.js';

describeQueue('SQLite', () => new InlineSqlite());
it('knows when a call becomes ready, also after the wall clock was set', async () => {
  const setup = new InlineSqlite();
  const queue = await setup.open();
  const { clock } = setup;
  await queue.push({ callId: 'c', fnId: 'f', head: '', body: Buffer.alloc(0), delayMs: 5_000 });
  await clock.advance(1_000);
  clock.stepWall(3_600_000);
  expect((await queue.get('c'))?.nextAt).toBe(later(clock.wallNow(), 4_000));
  await clock.advance(4_000);
  expect(await queue.get('c')).toMatchObject({ state: 'ready', nextAt: undefined });
  await queue.close();
  await setup.remove();
});

describeQueue('SQLite in its thread', () => new ThreadedSqlite());
