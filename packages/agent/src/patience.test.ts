import { FakeClock } from '@fnfleet/core';
import { Patience } from './patience.js';

/** A function that takes 50 ms and whose containers take 400 ms to start. */
function patienceOf(clock: FakeClock, serviceMs = 50): Patience {
  const patience = new Patience(clock, () => undefined);
  patience.served(serviceMs);
  patience.launched(400);
  return patience;
}

/** Calls wait behind so many others for one container, each for a moment. True as long as they are to wait. */
async function waitsFor(patience: Patience, clock: FakeClock, behind: number, limitMs: number): Promise<number> {
  const from = clock.now();
  while (clock.now() - from < limitMs && patience.allows(clock.now(), behind, 1)) await clock.advance(10);
  return clock.now() - from;
}

it('Q5: a burst waits for the containers that are hot', async () => {
  const clock = new FakeClock();
  const patience = patienceOf(clock);
  expect(await waitsFor(patience, clock, 3, 150)).toBe(150);
});

it('Q5: calls that go on having to wait get more containers', async () => {
  const clock = new FakeClock();
  const patience = patienceOf(clock);
  expect(await waitsFor(patience, clock, 3, 10_000)).toBe(200);
  // One that has come since then is no reason to wait again.
  expect(patience.allows(clock.now(), 3, 1)).toBe(false);
  // As many containers as calls, nearly: what is left is a trifle.
  expect(patience.allows(clock.now(), 3, 30)).toBe(true);
});

it('a moment without waiting calls ends it', async () => {
  const clock = new FakeClock();
  const patience = patienceOf(clock);
  await waitsFor(patience, clock, 3, 150);
  patience.relax();
  expect(await waitsFor(patience, clock, 3, 150)).toBe(150);
});

it('a trifle is waited for as long as it takes', async () => {
  const clock = new FakeClock();
  // 20 others before it, 0.3 ms each: less than a fiftieth of a launch.
  expect(await waitsFor(patienceOf(clock, 0.3), clock, 20, 60_000)).toBe(60_000);
});
