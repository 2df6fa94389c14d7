import { FakeClock, later } from '@fnfleet/core';
import { Patience } from './patience.js';

/** A function that takes 50 ms and whose containers take 400 ms to start. */
function patienceOf(clock: FakeClock): Patience {
  const patience = new Patience(
    clock,
    () => Number.POSITIVE_INFINITY,
    () => undefined,
  );
  patience.served(50);
  patience.launched(400);
  patience.begin();
  return patience;
}

/** For so long calls are served, one each 10 ms, after such waits by turns. Ends early when a call is not to wait any more. */
async function goesOn(patience: Patience, clock: FakeClock, limitMs: number, ...waitsMs: number[]): Promise<number> {
  const from = clock.now();
  for (let turn = 0; clock.now() - from < limitMs; turn += 1) {
    if (!patience.allows(clock.now(), 3, { hot: 2, starting: 0 })) break;
    await clock.advance(10);
    patience.got(later(clock.now(), -(waitsMs[turn % waitsMs.length] ?? 0)));
  }
  return clock.now() - from;
}

it('Q5: a burst waits for the containers that are hot', async () => {
  const clock = new FakeClock();
  const patience = patienceOf(clock);
  await clock.advance(1_000);
  expect(await goesOn(patience, clock, 150, 100)).toBe(150);
});

it('Q5: calls that go on having to wait get more containers', async () => {
  const clock = new FakeClock();
  const patience = patienceOf(clock);
  await clock.advance(1_000);
  const tookMs = await goesOn(patience, clock, 10_000, 100);
  expect(tookMs).toBeGreaterThanOrEqual(200);
  expect(tookMs).toBeLessThan(300);
});

it('Q5: one after another', async () => {
  const clock = new FakeClock();
  const patience = patienceOf(clock);
  await clock.advance(1_000);
  await goesOn(patience, clock, 10_000, 100);
  expect(patience.allows(clock.now(), 3, { hot: 2, starting: 1 })).toBe(true);
  expect(patience.allows(clock.now(), 3, { hot: 2, starting: 0 })).toBe(false);
});

it('Q5: also when some of them do not have to, as when many come at the same time', async () => {
  const clock = new FakeClock();
  const patience = patienceOf(clock);
  await clock.advance(1_000);
  expect(await goesOn(patience, clock, 10_000, 0, 100, 0, 60)).toBeLessThan(1_000);
});

it('Q5: the wait for the first container does not count', async () => {
  const clock = new FakeClock();
  const patience = patienceOf(clock);
  const since = clock.now();
  await clock.advance(10_000);
  patience.begin();
  for (let calls = 0; calls < 50; calls += 1) patience.got(since);
  await clock.advance(200);
  expect(patience.allows(clock.now(), 3, { hot: 2, starting: 0 })).toBe(true);
});

it('what was before a pause counts no more', async () => {
  const clock = new FakeClock();
  const patience = patienceOf(clock);
  await clock.advance(1_000);
  await goesOn(patience, clock, 10_000, 100);
  await clock.advance(60_000);
  expect(await goesOn(patience, clock, 150, 100)).toBe(150);
});

it('trifles are put up with for as long as it takes', async () => {
  const clock = new FakeClock();
  const patience = patienceOf(clock);
  await clock.advance(1_000);
  // Less than a fiftieth of a launch.
  expect(await goesOn(patience, clock, 60_000, 7)).toBe(60_000);
});

it('Q5: where no call waits for longer than 20 ms, that is what decides', async () => {
  const clock = new FakeClock();
  let over = 0;
  const patience = new Patience(
    clock,
    () => 20,
    () => {
      over += 1;
    },
  );
  patience.served(10);
  patience.launched(400);
  const containers = { hot: 1, starting: 0 };
  const since = clock.now();
  expect(patience.allows(since, 0, containers)).toBe(true);
  // The second is expected to be served after 20 ms, the third later.
  expect(patience.allows(since, 2, containers)).toBe(false);
  patience.watch(since, Number.POSITIVE_INFINITY);
  await clock.advance(20);
  expect(over).toBe(1);
  expect(patience.allows(since, 0, containers)).toBe(false);
  expect(clock.pendingTimers).toBe(0);
});
