import { getHeapSpaceStatistics } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { FakeClock, MIB } from '@fnfleet/core';
import { collectYoung, returnStartMemory } from './start-memory.js';

it('when a role has started, V8 collects once', async () => {
  const clock = new FakeClock();
  let collections = 0;
  returnStartMemory(clock, () => {
    collections += 1;
  });
  await clock.advance(60_000);
  expect([collections, clock.pendingTimers]).toEqual([1, 0]);
});

it('a role that ends before that leaves no timer', () => {
  const clock = new FakeClock();
  returnStartMemory(clock).cancel();
  expect(clock.pendingTimers).toBe(0);
});

it('a collection frees young garbage, and leaves no function to collect', () => {
  const youngBytes = () =>
    getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space')?.space_used_size ?? 0;
  collectYoung();
  Array.from({ length: 50_000 }, (_, number) => ({ number }));
  const before = youngBytes();
  collectYoung();
  expect(before - youngBytes()).toBeGreaterThan(MIB);
  // Not of this context: tests that ran before in this process may have given it one.
  expect(runInNewContext('typeof gc')).toBe('undefined');
});
