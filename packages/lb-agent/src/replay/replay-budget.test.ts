import { FakeClock, type LogFields, type Logger, RecordedMetrics, silentLogger } from '@fnfleet/core';
import { FakeDisk } from '../test-kit/fake-disk.js';
import { ReplayBudget, type ReplayBudgetOptions } from './replay-budget.js';

const metrics = RecordedMetrics.install();
const EVENTS = { onProgress: () => undefined, onFailure: () => undefined };

let clock: FakeClock;
let disk: FakeDisk;
beforeEach(() => {
  metrics.reset();
  clock = new FakeClock();
  disk = new FakeDisk();
});

const budgetOf = (options: ReplayBudgetOptions) => new ReplayBudget({ clock, openFile: disk.open, ...options });

it('without limits memory is always available, and a disk never', () => {
  const budget = budgetOf({});
  expect([budget.takeMemory(1e15), budget.takeDisk(1), budget.spills]).toEqual([true, false, false]);
});

it('memory is reserved to the byte, and released memory can be reserved again', () => {
  const budget = budgetOf({ memoryBytes: 100 });
  expect([budget.takeMemory(60), budget.takeMemory(41), budget.takeMemory(40)]).toEqual([true, false, true]);
  expect([budget.memoryBytes, metrics.sum('lb_replay_memory_bytes')]).toEqual([100, 100]);
  budget.releaseMemory(60);
  expect(budget.takeMemory(60)).toBe(true);
  budget.releaseMemory(100);
  expect([budget.memoryBytes, metrics.sum('lb_replay_memory_bytes')]).toEqual([0, 0]);
});

it('with a disk a quarter of the memory is reserved for spill files', async () => {
  const budget = budgetOf({ memoryBytes: 400, diskBytes: 10, pieceBytes: 30 });
  expect([budget.takeMemory(300), budget.takeMemory(1)]).toEqual([true, false]);
  expect(budget.fileMemoryBytes).toBe(90);
  const file = budget.newFile(EVENTS);
  expect([budget.memoryBytes, budget.openFiles]).toEqual([390, 1]);
  expect(budget.newFile(EVENTS)).toBeUndefined();
  expect([budget.takeDisk(7), budget.takeDisk(4), budget.takeDisk(3)]).toEqual([true, false, true]);
  file?.append(Buffer.alloc(10));
  expect([budget.diskBytes, metrics.sum('lb_replay_disk_bytes')]).toEqual([10, 10]);
  file?.close();
  await budget.whenIdle(1_000);
  expect([budget.diskBytes, budget.memoryBytes, budget.openFiles]).toEqual([0, 300, 0]);
  expect(metrics.sum('lb_replay_disk_bytes')).toBe(0);
});

it('a chunk has 64 KiB by default', () => {
  expect(budgetOf({}).pieceBytes).toBe(64 * 1024);
});

it('bodies that are not kept are counted by reason, and their number is logged once per minute', async () => {
  const said: LogFields[] = [];
  const logger: Logger = { ...silentLogger, warn: (_what, fields) => void said.push(fields ?? {}) };
  const budget = budgetOf({ logger });
  const error = new Error('ENOSPC');
  budget.lost('too_long');
  budget.lost('disk_failed', error);
  await clock.advance(59_999);
  budget.lost('too_long');
  expect(said).toEqual([{ reason: 'too_long', error: undefined, sinceLastMessage: 1 }]);
  await clock.advance(1);
  budget.lost('disk_failed', error);
  expect(said.slice(1)).toEqual([{ reason: 'disk_failed', error, sinceLastMessage: 3 }]);
  expect(metrics.sum('lb_replay_lost_count', { reason: 'too_long' })).toBe(2);
  expect(metrics.sum('lb_replay_lost_count', { reason: 'disk_failed' })).toBe(2);
});
