import { FakeClock } from '@fnfleet/core';
import { DrainRate } from './drain-rate.js';

let clock: FakeClock;
let rate: DrainRate;
beforeEach(() => {
  clock = new FakeClock();
  rate = new DrainRate(clock);
});

/** Calls leave the queue, one per interval. */
async function drain(calls: number, everyMs: number): Promise<void> {
  for (let i = 0; i < calls; i += 1) {
    await clock.advance(everyMs);
    rate.add();
  }
}

it('is unknown before the first call, and after only a few', async () => {
  expect(rate.perSecond).toBeUndefined();
  await drain(7, 1);
  expect(rate.perSecond).toBeUndefined();
});

it('is unknown after calls that all came at one instant', () => {
  for (let i = 0; i < 20; i += 1) rate.add();
  expect(rate.perSecond).toBeUndefined();
});

it.each([2, 10, 100])('of %i calls per second is measured', async (perSecond) => {
  await drain(20 * perSecond, 1000 / perSecond);
  const found = rate.perSecond ?? 0;
  expect(found / perSecond).toBeGreaterThan(0.9);
  expect(found / perSecond).toBeLessThan(1.15);
});

it('follows when the fleet becomes slower: after five seconds the old counts weigh less than half', async () => {
  await drain(1000, 10);
  await drain(50, 100);
  const found = rate.perSecond ?? 0;
  expect(found).toBeGreaterThan(30);
  expect(found).toBeLessThan(50);
});

it('falls while no call leaves the queue, until too little is known', async () => {
  await drain(100, 100);
  const before = rate.perSecond ?? 0;
  await clock.advance(5000);
  const after = rate.perSecond ?? 0;
  expect(after / before).toBeGreaterThan(0.35);
  expect(after / before).toBeLessThan(0.65);
  await clock.advance(30_000);
  expect(rate.perSecond).toBeUndefined();
});

it('after a long pause counts from the first call after it', async () => {
  await drain(100, 100);
  await clock.advance(120_000);
  await drain(50, 100);
  const found = rate.perSecond ?? 0;
  expect(found).toBeGreaterThan(9);
  expect(found).toBeLessThan(11.5);
});
