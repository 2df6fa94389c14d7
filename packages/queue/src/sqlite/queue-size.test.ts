// takes: 4 s
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { MIB } from '@fnfleet/core';
import { QueueFile } from './queue-file.js';
import { openSqliteQueue } from './sqlite-queue.js';

const CALLS = 3_000;
const BODY = Buffer.alloc(20_000, 'x');
const PORTION_BYTES = MIB;

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fnfleet-queue-size-'));
  path = join(folder, 'mq.db');
});
afterEach(() => rmSync(folder, { recursive: true }));

it('after a large backlog has run, the file gives its room back, while calls go on', async () => {
  const queue = await openSqliteQueue({ path });
  for (let n = 0; n < CALLS; n += 100) {
    const push = (at: number) => queue.push({ callId: `c${n + at}`, fnId: 'f', head: '{}', body: BODY });
    await Promise.all(Array.from({ length: 100 }, (_, at) => push(at)));
  }
  const full = statSync(path).size;
  expect(full).toBeGreaterThan(40 * MIB);
  for (;;) {
    const deliveries = await queue.reserve({ holder: 'h', limit: 500, leaseMs: 60_000 });
    if (deliveries.length === 0) break;
    await Promise.all(deliveries.map(({ lease }) => queue.complete(lease, { head: '{}', body: Buffer.alloc(0) })));
  }
  while (statSync(path).size > full / 4) await queue.stats();
  const { ended } = await queue.stats();
  expect(ended).toBe(CALLS);
  await queue.close();
});

it('no transaction gives back more than a portion, and a small file keeps what it has', () => {
  const file = QueueFile.open(path, { waitMs: 0, mustExist: false });
  const fill = (count: number) => {
    file.begin();
    for (let n = 0; n < count; n += 1) file.run('insert into payloads (head, body) values (?, ?)', '{}', BODY);
    file.commit();
    file.begin();
    file.run('delete from payloads');
    file.commit();
  };
  const shrink = () => {
    const pages = () => Number(file.one('pragma page_count')?.page_count) * 4_096;
    const before = pages();
    file.begin();
    const isMore = file.shrink();
    file.commit();
    return { isMore, bytes: before - pages() };
  };
  fill(300);
  expect(shrink()).toEqual({ isMore: false, bytes: 0 });
  fill(CALLS);
  const portions: number[] = [];
  for (let portion = shrink(); portion.isMore; portion = shrink()) portions.push(portion.bytes);
  expect(Math.max(...portions)).toBeLessThanOrEqual(PORTION_BYTES + 4_096);
  expect(portions.length).toBeGreaterThan(20);
  expect(statSync(path).size).toBeLessThan(16 * MIB);
  file.close();
});

it.each`
  what                                          | inUse    | deleted  | happens         | mode
  ${'a small file'}                             | ${0}     | ${0}     | ${'is rebuilt'} | ${2}
  ${'a large file of which little is in use'}   | ${0}     | ${CALLS} | ${'is rebuilt'} | ${2}
  ${'a large file of which too much is in use'} | ${CALLS} | ${0}     | ${'stays'}      | ${0}
`('of an earlier release, $what $happens when it is opened', async ({ inUse, deleted, mode }) => {
  const first = await openSqliteQueue({ path });
  await first.push({ callId: 'c1', fnId: 'f', head: '{}', body: BODY });
  await first.close();
  const database = new DatabaseSync(path);
  database.exec('pragma auto_vacuum = none; vacuum; begin');
  const insert = database.prepare("insert into payloads (seq, head, body) values (?, '{}', ?)");
  for (let n = 0; n < inUse + deleted; n += 1) insert.run(1_000 + n, BODY);
  database.exec(`commit; delete from payloads where seq >= ${1_000 + inUse}`);
  expect(database.prepare('pragma auto_vacuum').get()).toEqual({ auto_vacuum: 0 });
  database.close();
  const before = statSync(path).size;
  const queue = await openSqliteQueue({ path });
  expect((await queue.reserve({ holder: 'h', limit: 1, leaseMs: 1_000 })).map(({ lease }) => lease.callId)).toEqual([
    'c1',
  ]);
  if (deleted > 0) expect(statSync(path).size).toBeLessThan(MIB);
  if (inUse > 0) expect(statSync(path).size).toBe(before);
  await queue.close();
  const after = new DatabaseSync(path);
  expect(after.prepare('pragma auto_vacuum').get()).toEqual({ auto_vacuum: mode });
  after.close();
});
