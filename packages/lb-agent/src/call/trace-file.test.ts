import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { FakeClock, later, silentLogger } from '@fnfleet/core';
import { decodeTraceRecord } from '@fnfleet/placement';
import { aCall } from '@fnfleet/testing';
import type { LbCall } from './lb-call.js';
import { TraceFile } from './trace-file.js';

let folder: string;
let file: string;
let clock: FakeClock;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'trace-file-'));
  file = path.join(folder, 'trace.jsonl');
  clock = new FakeClock();
});
afterEach(() => rmSync(folder, { recursive: true }));

const call = (parts: Partial<LbCall>) =>
  ({ model: aCall({ memoryMb: 100, tmpfsMb: 20 }), arrivedAt: clock.now(), executionNs: 5e6, ...parts }) as LbCall;
const records = () => readFileSync(file, 'utf8').split('\n').filter(Boolean).map(decodeTraceRecord);

it('has a line for each call that ran: when it came, what it needed, how long it ran and its container took to start', async () => {
  const trace = new TraceFile(file, clock, silentLogger);
  await clock.advance(70);
  trace.afterCall(call({}));
  trace.afterCall(call({ executionNs: 0 }));
  const timings = { containerCreateNs: 3e6, containerInitNs: 4e6 } as LbCall['timings'];
  trace.afterCall(call({ arrivedAt: later(clock.now(), -100), timings }));
  await trace.close();
  await trace.close();
  expect(records()).toEqual([
    { atMs: 70, appId: 'app1', fnId: 'fn1', memoryMb: 120, execMs: 5, initMs: undefined },
    { atMs: 0, appId: 'app1', fnId: 'fn1', memoryMb: 120, execMs: 5, initMs: 7 },
  ]);
});

it('goes on where an earlier one ended', async () => {
  for (let i = 0; i < 2; i += 1) {
    const trace = new TraceFile(file, clock, silentLogger);
    trace.afterCall(call({}));
    await trace.close();
  }
  expect(records()).toHaveLength(2);
});

it('that cannot be written says so once, and can be closed', async () => {
  const said: string[] = [];
  const logger = { ...silentLogger, error: (what: string) => void said.push(what) };
  const trace = new TraceFile(path.join(folder, 'none', 'x'), clock, logger);
  await new Promise((resolve) => setTimeout(resolve, 20));
  trace.afterCall(call({}));
  await trace.close();
  expect(said).toHaveLength(1);
});

it('holds no more than 4 MiB that the disk does not take: calls beyond that are not in it', async () => {
  const trace = new TraceFile(file, clock, silentLogger);
  const calls = 100_000;
  // Nothing is written before the turn ends.
  for (let i = 0; i < calls; i += 1) trace.afterCall(call({}));
  await trace.close();
  const bytes = readFileSync(file).length;
  expect(bytes).toBeGreaterThan(4 * 1024 * 1024);
  expect(bytes).toBeLessThan(4.1 * 1024 * 1024);
  expect(records().length).toBeLessThan(calls);
});
