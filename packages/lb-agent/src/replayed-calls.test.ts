import { mkdtemp, readdir, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { FnError, MIB, RecordedMetrics } from '@fnfleet/core';
import { FakeRunner } from '@fnfleet/placement';
import { next } from './test-kit/reading.js';
import { TestFleet } from './test-kit/test-fleet.js';

const metrics = RecordedMetrics.install();

const BODY = Buffer.alloc(2 * MIB, 'one line of a long body\n');

let refuses: FakeRunner;
let takes: FakeRunner;
let fleet: TestFleet;
let directory: string;

beforeEach(async () => {
  metrics.reset();
  directory = await mkdtemp(join(tmpdir(), 'replayed-'));
  refuses = new FakeRunner('r1').does(async (call) => {
    await refuses.readBody(call);
    return { kind: 'refused', reason: 'busy', error: new FnError('serverBusy') };
  });
  takes = new FakeRunner('r2').finishes();
});
afterEach(async () => {
  await fleet.close();
  // Also fails when a file is left.
  await rmdir(directory);
  expect([metrics.sum('lb_replay_memory_bytes'), metrics.sum('lb_replay_disk_bytes')]).toEqual([0, 0]);
});

async function start(env: Record<string, string> = {}): Promise<void> {
  const small = { FN_REPLAY_BUFFER_BYTES: '100000', FN_REPLAY_SPILL_DIR: directory };
  fleet = await TestFleet.start([refuses, takes], { env: { ...small, ...env } });
}

it('a long body that a runner refused after its end is replayed to the next one byte for byte', async () => {
  await start();
  expect(await fleet.send('/invoke/fn1', { body: BODY })).toMatchObject({ status: 200 });
  expect(takes.bodies.map((body) => body.equals(BODY))).toEqual([true]);
  expect(metrics.sum('lb_replay_lost_count')).toBe(0);
  expect(await readdir(directory)).toEqual([]);
});

it('without a disk the call is 503, because the bytes already sent were not kept', async () => {
  await start({ FN_REPLAY_DISK_BYTES: '0' });
  expect(await fleet.send('/invoke/fn1', { body: BODY })).toMatchObject({
    status: 503,
    headers: { 'retry-after': '15' },
  });
  expect([refuses.bodies.length, takes.attempts]).toEqual([1, 0]);
  expect(metrics.sum('lb_replay_lost_count', { reason: 'too_long' })).toBe(1);
});

it('many long bodies at once stay within the memory limit, and every call that is served gets its whole body', async () => {
  const limit = MIB;
  let peak = 0;
  takes = new FakeRunner('r2').does(async (call, signal) => {
    peak = Math.max(peak, metrics.sum('lb_replay_memory_bytes'));
    return finishing.tryCall(call, signal);
  });
  const finishing = new FakeRunner('r3').finishes();
  await start({ FN_REPLAY_MEMORY_BYTES: String(limit) });
  const answers = Array.from({ length: 12 }, () => fleet.send('/invoke/fn1', { body: BODY }));
  const statuses = (await Promise.all(answers)).map(({ status }) => status);

  // Who found no room even for writing has one chance; the first runner may be the one that refuses.
  const turnedAway = statuses.filter((status) => status === 503).length;
  expect(turnedAway).toBeLessThanOrEqual(metrics.sum('lb_replay_lost_count'));
  expect(statuses.filter((status) => status === 200)).toHaveLength(statuses.length - turnedAway);
  expect(finishing.bodies.filter((body) => body.equals(BODY))).toHaveLength(statuses.length - turnedAway);
  expect(peak).toBeGreaterThan(0);
  expect(peak).toBeLessThanOrEqual(limit);
});

it('a client that disconnects in the middle of a long body releases its spill file', async () => {
  const onDisk = Promise.withResolvers<void>();
  refuses = new FakeRunner('r1').does(async (call, signal) => {
    const reader = call.body.open();
    const left = new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    for (let got = 0; got < BODY.length; ) got += (await next(reader)).data.length;
    if (metrics.sum('lb_replay_disk_bytes') > 0) onDisk.resolve();
    await left;
    reader.close();
    return { kind: 'failed', blame: 'caller', error: signal.reason };
  });
  await start();
  const ended = Promise.withResolvers<void>();
  fleet.server.agent.addCallListener({ afterCall: () => ended.resolve() });
  const client = new AbortController();
  const headers = { 'content-length': String(BODY.length + 1) };
  const body = new Readable({ read: () => undefined });
  body.push(BODY);
  const sent = fleet.send('/invoke/fn1', { headers, body, signal: client.signal }).catch(() => 'gone');
  await onDisk.promise;
  client.abort();
  expect(await sent).toBe('gone');
  await ended.promise;
});
