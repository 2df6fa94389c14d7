import { FakeClock } from '@fnfleet/core';
import { RateLimit } from './rate-limit.js';

const never = new AbortController().signal;

it('lets a burst pass at once, and then a fixed number per second', async () => {
  const clock = new FakeClock();
  const rate = new RateLimit({ perSecond: 10, burst: 20, clock });
  let through = 0;
  for (let index = 0; index < 40; index += 1) void rate.turn(never).then(() => (through += 1));
  await clock.advance(0);
  expect(through).toBe(20);
  await clock.advance(1_000);
  expect(through).toBe(30);
  await clock.advance(1_000);
  expect(through).toBe(40);
  await clock.advance(60_000);
  for (let index = 0; index < 40; index += 1) void rate.turn(never).then(() => (through += 1));
  await clock.advance(0);
  expect(through).toBe(60);
  await clock.advance(2_000);
  expect([through, clock.pendingTimers]).toEqual([80, 0]);
});

it('does not delay callers that have aborted', async () => {
  const clock = new FakeClock();
  const rate = new RateLimit({ perSecond: 1, burst: 1, clock });
  await rate.turn(never);
  const gone = new AbortController();
  const turn = rate.turn(gone.signal);
  gone.abort();
  await turn;
  await rate.turn(gone.signal);
  expect(clock.pendingTimers).toBe(0);
});
