import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { FakeClock, later, silentLogger } from '@fnfleet/core';
import { decodeWorkloadRecord } from '@fnfleet/placement';
import { aCall } from '@fnfleet/testing';
import type { LbCall } from './lb-call.js';
import { WorkloadRecorder } from './workload-recorder.js';

let folder: string;
let file: string;
let clock: FakeClock;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'workload-'));
  file = path.join(folder, 'calls.jsonl');
  clock = new FakeClock();
});
afterEach(() => rmSync(folder, { recursive: true }));

const call = (parts: Partial<LbCall>) =>
  ({ model: aCall({ memoryMb: 100, tmpfsMb: 20 }), arrivedAt: clock.now(), executionNs: 5e6, ...parts }) as LbCall;
const records = () => readFileSync(file, 'utf8').split('\n').filter(Boolean).map(decodeWorkloadRecord);

it('has a line for each call that ran: arrival, memory, execution time and start time of its container', async () => {
  const recorder = new WorkloadRecorder(file, clock, silentLogger);
  await clock.advance(70);
  recorder.afterCall(call({}));
  recorder.afterCall(call({ executionNs: 0 }));
  const timings = { containerCreateNs: 3e6, containerInitNs: 4e6 } as LbCall['timings'];
  recorder.afterCall(call({ arrivedAt: later(clock.now(), -100), timings }));
  await recorder.close();
  await recorder.close();
  expect(records()).toEqual([
    { atMs: 70, appId: 'app1', fnId: 'fn1', memoryMb: 120, execMs: 5, initMs: undefined },
    { atMs: 0, appId: 'app1', fnId: 'fn1', memoryMb: 120, execMs: 5, initMs: 7 },
  ]);
});

it('is appended to an existing file', async () => {
  for (let i = 0; i < 2; i += 1) {
    const recorder = new WorkloadRecorder(file, clock, silentLogger);
    recorder.afterCall(call({}));
    await recorder.close();
  }
  expect(records()).toHaveLength(2);
});

it('that cannot be written is reported once, and can be closed', async () => {
  const said: string[] = [];
  const logger = { ...silentLogger, error: (what: string) => void said.push(what) };
  const recorder = new WorkloadRecorder(path.join(folder, 'none', 'x'), clock, logger);
  await new Promise((resolve) => setTimeout(resolve, 20));
  recorder.afterCall(call({}));
  await recorder.close();
  expect(said).toHaveLength(1);
});

it('buffers at most 4 MiB for a slow disk, and drops further calls', async () => {
  const recorder = new WorkloadRecorder(file, clock, silentLogger);
  const calls = 100_000;
  // Nothing is written before the turn ends.
  for (let i = 0; i < calls; i += 1) recorder.afterCall(call({}));
  await recorder.close();
  const bytes = readFileSync(file).length;
  expect(bytes).toBeGreaterThan(4 * 1024 * 1024);
  expect(bytes).toBeLessThan(4.1 * 1024 * 1024);
  expect(records().length).toBeLessThan(calls);
});
