import { readdirSync, renameSync } from 'node:fs';
import { mkdtemp, readdir, readlink, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { FakeClock, type LogFields, type Logger, RecordedMetrics, silentLogger } from '@fnfleet/core';
import type { BodyReader } from '@fnfleet/protocol';
import { FakeDisk } from '../test-kit/fake-disk.js';
import { next, readAll } from '../test-kit/reading.js';
import { ReplayBudget, type ReplayBudgetOptions } from './replay-budget.js';
import { ReplayBuffer } from './replay-buffer.js';
import { openUnnamed } from './spill-file.js';

const metrics = RecordedMetrics.install();

const KEEP_BYTES = 100;
const BODY = Buffer.from(Array.from({ length: 2_000 }, (_, i) => i % 251));

let clock: FakeClock;
let disk: FakeDisk;
let budget: ReplayBudget;
const sources: PassThrough[] = [];

beforeEach(() => {
  metrics.reset();
  clock = new FakeClock();
  disk = new FakeDisk();
  budget = aBudget();
});
afterEach(async () => {
  for (const source of sources.splice(0)) source.destroy();
  await settled();
  expect([budget.memoryBytes, budget.diskBytes, budget.openFiles, disk.openHandles]).toEqual([0, 0, 0, 0]);
  expect([metrics.sum('lb_replay_memory_bytes'), metrics.sum('lb_replay_disk_bytes')]).toEqual([0, 0]);
  expect(clock.pendingTimers).toBe(0);
});

function aBudget(options: ReplayBudgetOptions = {}): ReplayBudget {
  const limits = { memoryBytes: 10_000, diskBytes: 100_000, pieceBytes: 50 };
  return new ReplayBudget({ ...limits, openFile: disk.open, clock, ...options });
}

/** A body that has arrived as far as `bytes` says. */
function aBody(bytes = BODY, { whole = true } = {}): { body: ReplayBuffer; source: Readable } {
  const source = new PassThrough();
  sources.push(source);
  if (whole) source.end(bytes);
  else source.write(bytes);
  const body = new ReplayBuffer(source, BODY.length, { keepBytes: KEEP_BYTES, maxBytes: 0, budget });
  return { body, source };
}

async function read(reader: BodyReader, bytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let got = 0; got < bytes; ) {
    const { data } = await next(reader);
    pieces.push(data);
    got += data.length;
  }
  return Buffer.concat(pieces);
}

/** Lets the disk do what it has to. */
async function settled(): Promise<void> {
  for (let i = 0; i < 200; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

it('B2: bytes beyond the memory of a call are read back from disk, for every attempt', async () => {
  const { body } = aBody();
  expect(await readAll(body.open())).toEqual(BODY);
  await settled();
  expect(body.heldBytes).toBe(KEEP_BYTES + budget.fileMemoryBytes);
  expect([budget.memoryBytes, budget.diskBytes]).toEqual([body.heldBytes, BODY.length - KEEP_BYTES]);
  expect(metrics.sum('lb_replay_disk_bytes')).toBe(budget.diskBytes);

  await read(body.open(), 700);
  expect(await readAll(body.open())).toEqual(BODY);
  expect(body.replayable).toBe(true);
  body.commit();
  expect([body.heldBytes, body.replayable]).toEqual([0, false]);
});

it('B1: a slow disk applies backpressure to the client until it catches up', async () => {
  const gate = Promise.withResolvers<void>();
  disk.gate = gate.promise;
  const { body, source } = aBody();
  const reader = body.open();
  const got = await read(reader, KEEP_BYTES + 2 * budget.pieceBytes);
  const unread = source.readableLength;
  expect(reader.read()).toBeUndefined();
  await settled();
  expect([reader.read(), source.readableLength]).toEqual([undefined, unread]);

  const rest = readAll(reader);
  gate.resolve();
  expect(Buffer.concat([got, await rest])).toEqual(BODY);
  expect(body.replayable).toBe(true);
  body.commit();
});

it('B1: the disk too is read only on demand', async () => {
  const { body } = aBody();
  await readAll(body.open());
  await settled();
  const reader = body.open();
  await read(reader, KEEP_BYTES);
  await settled();
  expect(disk.reads).toBe(0);
  reader.close();
  body.commit();
});

it('B5, S3: a disk that hangs prevents a replay, but does not fail the call', async () => {
  const gate = Promise.withResolvers<void>();
  disk.gate = gate.promise;
  const { body } = aBody();
  const all = readAll(body.open());
  await clock.advance(1_999);
  expect(body.replayable).toBe(true);
  await clock.advance(1);
  expect(body.replayable).toBe(false);
  expect(await all).toEqual(BODY);
  expect(metrics.sum('lb_replay_lost_count', { reason: 'disk_failed' })).toBe(1);

  body.commit();
  // The buffers of the write that hangs are still in use.
  expect([budget.memoryBytes, budget.openFiles]).toEqual([budget.fileMemoryBytes, 1]);
  gate.resolve();
});

it('S3: a failed read from disk ends the attempt', async () => {
  const { body } = aBody();
  await readAll(body.open());
  await settled();
  const gate = Promise.withResolvers<void>();
  disk.gate = gate.promise;
  const reader = body.open();
  const failed = expect(readAll(reader)).rejects.toMatchObject({ code: 'internal', cause: expect.any(Error) });
  await clock.advance(10_000);
  await failed;
  reader.close();
  body.commit();
  gate.resolve();
});

it('S3: a disk that has lost written bytes ends the attempt', async () => {
  const faults: { shortBytes?: number } = {};
  disk = new FakeDisk(faults);
  budget = aBudget();
  const { body } = aBody();
  await readAll(body.open());
  await settled();
  faults.shortBytes = 0;
  const reader = body.open();
  const cause = { message: expect.stringContaining('has lost byte') };
  await expect(readAll(reader)).rejects.toMatchObject({ code: 'internal', cause });
  reader.close();
  body.commit();
});

it.each`
  story                         | faults
  ${'cannot be opened'}         | ${{ opens: true }}
  ${'is full'}                  | ${{ writesFrom: 1 }}
  ${'is full after some bytes'} | ${{ writesFrom: 3 }}
  ${'takes no byte at all'}     | ${{ shortBytes: 0 }}
`('S1: a file that $story does not affect the attempt that is already replaying', async ({ faults }) => {
  const gate = Promise.withResolvers<void>();
  disk = new FakeDisk(faults);
  budget = aBudget();
  const { body } = aBody(BODY.subarray(0, 200), { whole: false });
  const source = sources.at(-1);
  disk.gate = gate.promise;
  await read(body.open(), 200);

  const reader = body.open();
  const first = await read(reader, 50);
  gate.resolve();
  const rest = readAll(reader);
  source?.end(BODY.subarray(200));
  expect(Buffer.concat([first, await rest])).toEqual(BODY);
  expect(body.replayable).toBe(false);
  expect(() => body.open()).toThrow('the first bytes of this body are gone');
  expect(metrics.sum('lb_replay_lost_count', { reason: 'disk_failed' })).toBe(1);
  // B6: the reader has passed all that was kept.
  await settled();
  expect([body.heldBytes, budget.openFiles]).toEqual([0, 0]);
  body.commit();
});

it.each`
  story                                 | options                              | reason
  ${'without a disk: longer than kept'} | ${{ diskBytes: 0 }}                  | ${'too_long'}
  ${'without a disk: memory in use'}    | ${{ diskBytes: 0, memoryBytes: 60 }} | ${'memory_full'}
  ${'no memory for writing'}            | ${{ memoryBytes: 149 }}              | ${'memory_full'}
  ${'the disk space is used by others'} | ${{ diskBytes: 1_000 }}              | ${'disk_full'}
`('B5: $story: the body is streamed on, and counted as not kept', async ({ options, reason }) => {
  budget = aBudget(options);
  const { body } = aBody();
  expect(await readAll(body.open())).toEqual(BODY);
  expect([body.replayable, body.heldBytes]).toEqual([false, 0]);
  expect(metrics.sum('lb_replay_lost_count', { reason })).toBe(1);
  expect(metrics.sum('lb_replay_lost_count')).toBe(1);
  body.commit();
});

it('R2: bodies spill to disk when others use up the memory', async () => {
  budget = aBudget({ memoryBytes: 800 });
  const small = Array.from({ length: 6 }, () => aBody(BODY.subarray(0, 100), { whole: false }).body);
  for (const body of small) await read(body.open(), 100);
  expect(budget.memoryBytes).toBe(600);
  const { body } = aBody();
  await readAll(body.open());
  expect([budget.diskBytes, budget.memoryBytes]).toEqual([BODY.length, 750]);
  expect(await readAll(body.open())).toEqual(BODY);

  for (const each of [body, ...small]) each.commit();
});

it('B6: a body that is committed during a replay is released at the end of the kept bytes', async () => {
  const { body } = aBody(BODY.subarray(0, 1_000), { whole: false });
  await read(body.open(), 1_000);
  await settled();
  const reader = body.open();
  const first = await read(reader, 50);
  body.commit();
  expect(budget.openFiles).toBe(1);
  const rest = await read(reader, 1_000 - first.length);
  expect(Buffer.concat([first, rest])).toEqual(BODY.subarray(0, 1_000));
  expect(reader.read()).toBeUndefined();
  await settled();
  expect([budget.openFiles, budget.memoryBytes]).toEqual([0, 0]);
  reader.close();
});

it('losses are logged once per minute, with their number', async () => {
  const lines: (LogFields | undefined)[] = [];
  const logger: Logger = { ...silentLogger, warn: (_message, fields) => void lines.push(fields) };
  budget = aBudget({ diskBytes: 0, logger });
  const lose = async () => {
    const { body } = aBody();
    await readAll(body.open());
    body.commit();
  };
  await lose();
  await lose();
  await lose();
  expect(lines).toMatchObject([{ reason: 'too_long', sinceLastMessage: 1 }]);
  await clock.advance(60_000);
  await lose();
  expect(lines).toMatchObject([{ sinceLastMessage: 1 }, { sinceLastMessage: 3 }]);
});

it('a real file is anonymous and leaves nothing behind', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'replay-test-'));
  budget = aBudget({ directory, openFile: undefined });
  const { body } = aBody();
  await readAll(body.open());
  expect(await readAll(body.open())).toEqual(BODY);
  expect(await readdir(directory)).toEqual([]);
  if (process.platform === 'linux') expect(await filesOpenIn(directory)).toBe(1);

  body.commit();
  await budget.whenIdle(Number.POSITIVE_INFINITY);
  if (process.platform === 'linux') expect(await filesOpenIn(directory)).toBe(0);
  await rmdir(directory);
});

it('a file that cannot be unlinked is neither used nor left open', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'replay-test-'));
  const opening = openUnnamed(directory);
  // Between the two steps somebody moves the directory: this thread goes no further before that.
  for (let looks = 0; readdirSync(directory).length === 0; looks += 1) expect(looks).toBeLessThan(1_000_000);
  const moved = `${directory}-moved`;
  renameSync(directory, moved);
  await expect(opening).rejects.toMatchObject({ code: 'ENOENT' });
  if (process.platform === 'linux') expect(await filesOpenIn(moved)).toBe(0);
  await rm(moved, { recursive: true });
});

async function filesOpenIn(directory: string): Promise<number> {
  const links = (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ''));
  return (await Promise.all(links)).filter((target) => target.startsWith(directory)).length;
}
